//! One event, written.

use bytes::{BufMut, Bytes, BytesMut};

/// The bytes of an event with this data, and a name if it has one.
///
/// Every line of the data gets its own `data:`, so that no data can end the event or begin another field.
/// A name is cut at its first line ending.
pub fn write(name: Option<&str>, data: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + name.map_or(0, str::len) + 24);
    if let Some(name) = name {
        let (name, _) = super::line::cut(name.as_bytes());
        field(&mut out, b"event: ", name);
    }
    let mut rest = data.as_bytes();
    loop {
        let (line, after) = super::line::cut(rest);
        field(&mut out, b"data: ", line);
        if line.len() == rest.len() {
            break;
        }
        rest = after;
    }
    out.put_u8(b'\n');
    out.freeze()
}

fn field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(value);
    out.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use super::super::{Item, Splitter};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_event_looks_as_apis_write_it() {
        assert_eq!(write(Some("error"), "{}"), "event: error\ndata: {}\n\n");
        assert_eq!(write(None, "[DONE]"), "data: [DONE]\n\n");
        assert_eq!(write(Some("a\ndata: b"), "1\n\n2\n"), "event: a\ndata: 1\ndata: \ndata: 2\ndata: \n\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_one_event_with_the_same_data(data in "[^\r]*") {
            let whole = Splitter::default().feed(write(Some("x"), &data)).unwrap();
            let parts: Vec<_> = whole.parts().collect();
            prop_assert_eq!(parts.len(), 1);
            let Item::Event(event) = parts[0].item else { panic!("{:?}", parts[0]) };
            prop_assert_eq!(event.name(), Some("x"));
            prop_assert_eq!(&*event.data().unwrap(), data.as_bytes());
        }
    }
}
