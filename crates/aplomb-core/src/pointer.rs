//! The parts of a JSON pointer (RFC 6901): `/a~1b/0` points at element 0 of member `a/b`.

/// The parts of a pointer as names: what follows each `/`, unescaped.
pub fn parts(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
}

/// A name as a part of a pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_pointed_at() {
        for name in ["", "a", "a/b", "~", "~1", "~01", "/~/~0"] {
            let pointer = format!("/x/{}", escaped(name));
            assert_eq!(parts(&pointer).collect::<Vec<_>>(), ["x", name], "{pointer}");
        }
        assert_eq!(parts("").count(), 0);
    }
}
