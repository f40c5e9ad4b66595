//! The sixteen scenarios of the public failover benchmark, by the configuration in `examples/failover/`.
//!
//! Its README says what each of them must come to; what a provider does is the mock's doing, by the model's name.

mod stand;

mod heard;

mod refused;

mod silent;

mod broken;

mod flapping;
