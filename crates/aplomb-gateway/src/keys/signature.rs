//! Signatures of tokens, checked by ring: public keys only, so that nothing here could sign.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self as generic, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{
    self as by_ring, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(Error::from(ErrorKind::UnsupportedAlgorithm)),
    verifier_factory: |algorithm, key| {
        let how = How::of(*algorithm).ok_or(ErrorKind::UnsupportedAlgorithm)?;
        Ok(Box::new(ByRing { algorithm: *algorithm, how, key: key.clone() }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Lets tokens be checked in this process; whoever embeds the gateway may have chosen before.
pub(super) fn install() {
    let _chosen_before = PROVIDER.install_default();
}

/// How an algorithm is checked.
enum How {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

impl How {
    /// `None` for what works with shared secrets: who could check one could sign.
    fn of(algorithm: Algorithm) -> Option<Self> {
        Some(match algorithm {
            Algorithm::RS256 => Self::Rsa(&by_ring::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Self::Rsa(&by_ring::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Self::Rsa(&by_ring::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Self::Rsa(&by_ring::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Self::Rsa(&by_ring::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Self::Rsa(&by_ring::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Self::Curve(&by_ring::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Self::Curve(&by_ring::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Self::Curve(&by_ring::ED25519),
            _ => return None,
        })
    }
}

struct ByRing {
    algorithm: Algorithm,
    how: How,
    key: DecodingKey,
}

impl JwtVerifier for ByRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for ByRing {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), generic::Error> {
        let fits = match (&self.how, self.key.kind()) {
            _ if self.key.family() != self.algorithm.family() => false,
            (How::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let components = RsaPublicKeyComponents { n: number(n), e: number(e) };
                components.verify(parameters, message, signature).is_ok()
            }
            (How::Curve(curve), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(*curve, point).verify(message, signature).is_ok()
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(generic::Error::new()) }
    }
}

/// A number without the zeros before it, which some servers write and ring refuses.
fn number(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    &bytes[start..]
}
