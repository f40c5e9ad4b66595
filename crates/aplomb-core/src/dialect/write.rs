//! Writing: an envelope template filled with facts.

use std::time::Duration;

use serde_json::{Map, Number, Value};

use crate::dialect::Facts;
use crate::failure::FieldError;
use crate::header;
use crate::spec::{Form, Member, Node, Presence, Slot, SlotName};

/// Fills a template. Facts that found no place of their own go to its `$rest`, if it has one.
///
/// `elsewhere` names the facts that the answer already carries outside the body.
pub(super) fn write(node: &Node, facts: &Facts, elsewhere: &[SlotName]) -> Value {
    let mut placed = elsewhere.to_vec();
    let has_rest = node.holds(SlotName::Rest);
    let mut probe = Writer { facts, has_rest, rest: Map::new(), placed: &mut placed };
    probe.node(node);
    let rest = left_over(facts, &placed);
    let mut writer = Writer { facts, has_rest, rest, placed: &mut placed };
    writer.node(node).unwrap_or(Value::Null)
}

/// The facts that have no slot, by the names under which reading finds them again.
fn left_over(facts: &Facts, placed: &[SlotName]) -> Map<String, Value> {
    let mut rest = Map::new();
    let texts = [
        (SlotName::Message, "message", &facts.message),
        (SlotName::Code, "code", &facts.code),
        (SlotName::Type, "type", &facts.type_),
        (SlotName::Param, "param", &facts.param),
        (SlotName::RequestId, "request_id", &facts.request_id),
    ];
    for (slot, name, fact) in texts {
        if let Some(text) = fact.as_ref().filter(|_| !placed.contains(&slot)) {
            rest.insert(name.to_owned(), Value::from(text.as_str()));
        }
    }
    let several = facts.errors.len() > 1 || facts.errors.iter().any(|error| error.code.is_some());
    if several && !placed.contains(&SlotName::Errors) {
        rest.insert("errors".to_owned(), facts.errors.iter().map(field_error).collect());
    }
    rest
}

fn field_error(error: &FieldError) -> Value {
    let mut out = Map::new();
    out.insert("param".to_owned(), Value::from(error.param.clone()));
    out.insert("message".to_owned(), Value::from(error.message.as_str()));
    out.insert("code".to_owned(), Value::from(error.code.clone()));
    Value::Object(out)
}

struct Writer<'a> {
    facts: &'a Facts,
    /// The template has a `$rest`, which takes the details too.
    has_rest: bool,
    rest: Map<String, Value>,
    placed: &'a mut Vec<SlotName>,
}

impl Writer<'_> {
    /// `None` when there is nothing to write here.
    fn node(&mut self, node: &Node) -> Option<Value> {
        match node {
            Node::Literal(value) => Some(value.clone()),
            Node::Slot(slot) => self.slot(*slot),
            Node::Object(members) => Some(Value::Object(self.object(members))),
            Node::Tuple(nodes) => {
                let items: Vec<_> = nodes.iter().filter(|node| self.has_fact(node)).collect();
                Some(Value::Array(items.into_iter().filter_map(|node| self.node(node)).collect()))
            }
            Node::List(node) => Some(self.list(node)),
        }
    }

    fn object(&mut self, members: &[Member]) -> Map<String, Value> {
        let mut out = Map::new();
        for member in members.iter().filter(|member| !member.is_spread()) {
            let nested = !matches!(member.node, Node::Slot(_) | Node::Literal(_));
            if member.optional && nested && !self.has_fact(&member.node) {
                continue;
            }
            match self.node(&member.node) {
                Some(Value::Null) if member.optional && is_required(&member.node) => {}
                Some(value) => drop(out.insert(member.key.clone(), value)),
                None => {}
            }
        }
        if let Some(spread) = members.iter().find(|member| member.is_spread()) {
            self.spread(&spread.node, members, &mut out);
        }
        out
    }

    /// Puts details and what is left over beside the named members, without hiding one.
    fn spread(&mut self, node: &Node, members: &[Member], out: &mut Map<String, Value>) {
        self.placed.push(SlotName::Details);
        let named = |key: &str| members.iter().any(|member| member.key == key);
        let beside = |key: &str| if named(key) { format!("original_{key}") } else { key.to_owned() };
        let keeps_all = matches!(node, Node::Slot(slot) if slot.name == SlotName::Rest);
        if self.has_rest && !keeps_all {
            return;
        }
        for (key, value) in &self.facts.details {
            if keeps_all || !named(key) {
                out.insert(beside(key), value.clone());
            }
        }
        if keeps_all {
            for (key, value) in &self.rest {
                out.insert(beside(key), value.clone());
            }
        }
    }

    fn list(&mut self, node: &Node) -> Value {
        self.placed.push(SlotName::Errors);
        let errors = match self.facts.errors.as_slice() {
            [] => vec![FieldError {
                param: self.facts.param.clone(),
                message: self.facts.message.clone().unwrap_or_default(),
                code: None,
            }],
            errors => errors.to_vec(),
        };
        let item = |error: &FieldError| {
            let facts = Facts {
                message: Some(error.message.clone()),
                param: error.param.clone(),
                code: error.code.clone().or_else(|| self.facts.code.clone()),
                type_: error.code.clone().or_else(|| self.facts.type_.clone()),
                errors: vec![error.clone()],
                ..Facts::default()
            };
            let mut placed = Vec::new();
            Writer { facts: &facts, has_rest: false, rest: Map::new(), placed: &mut placed }.node(node)
        };
        let items: Vec<_> = errors.iter().filter_map(item).collect();
        let says_all =
            self.facts.errors.first().is_none_or(|first| self.facts.message.as_ref() == Some(&first.message));
        for slot in [SlotName::Message, SlotName::Param, SlotName::Type] {
            if node.holds(slot) && (slot != SlotName::Message || says_all) {
                self.placed.push(slot);
            }
        }
        Value::Array(items)
    }

    /// Whether a part of the template would carry a fact of this failure.
    fn has_fact(&self, node: &Node) -> bool {
        match node {
            Node::Literal(_) => false,
            Node::Slot(slot) => self.value(*slot).is_some(),
            Node::Object(members) => members.iter().any(|member| self.has_fact(&member.node)),
            Node::Tuple(nodes) => nodes.iter().any(|node| self.has_fact(node)),
            Node::List(node) => {
                !self.facts.errors.is_empty() || (node.holds(SlotName::Param) && self.facts.param.is_some())
            }
        }
    }

    fn slot(&mut self, slot: Slot) -> Option<Value> {
        match self.value(slot) {
            Some(value) => {
                self.placed.push(slot.name);
                Some(value)
            }
            None => match slot.presence {
                Presence::Optional => None,
                Presence::Required | Presence::Nullable => Some(Value::Null),
            },
        }
    }

    fn value(&self, slot: Slot) -> Option<Value> {
        let facts = self.facts;
        match slot.name {
            SlotName::Message => text(facts.message.as_deref()),
            SlotName::Code if slot.form == Form::Int => {
                facts.code.as_deref().and_then(|code| code.parse::<i64>().ok()).map(Value::from)
            }
            SlotName::Code => text(facts.code.as_deref()),
            SlotName::Type => text(facts.type_.as_deref()),
            SlotName::Param if slot.form == Form::Loc => Some(loc(facts.param.as_deref())),
            SlotName::Param if slot.form == Form::Pointer => facts.param.as_deref().map(pointer),
            SlotName::Param => text(facts.param.as_deref()),
            SlotName::RequestId => text(facts.request_id.as_deref()),
            SlotName::Title => text(facts.title.as_deref()),
            SlotName::Kind => facts.kind.map(|kind| Value::from(kind.as_str())),
            SlotName::Status if slot.form == Form::Text => {
                facts.status.map(|status| Value::from(status.to_string()))
            }
            SlotName::Status => facts.status.map(Value::from),
            SlotName::Wait => facts.wait.map(|wait| self::wait(slot.form, wait)),
            SlotName::Limit => facts.limit.map(Value::from),
            SlotName::Remaining => facts.remaining.map(Value::from),
            SlotName::Window => facts.window.map(window),
            SlotName::FieldCode => text(facts.errors.first().and_then(|error| error.code.as_deref())),
            SlotName::Errors => errors(slot.form, &facts.errors),
            SlotName::Details => object(facts.details.clone()),
            SlotName::Rest => {
                let mut rest = facts.details.clone();
                rest.extend(self.rest.clone());
                object(rest)
            }
            SlotName::Any => None,
        }
    }
}

/// A slot that is written as null when absent, unless its member may be missing.
fn is_required(node: &Node) -> bool {
    matches!(node, Node::Slot(slot) if slot.presence == Presence::Required)
}

fn text(fact: Option<&str>) -> Option<Value> {
    fact.map(Value::from)
}

fn object(members: Map<String, Value>) -> Option<Value> {
    (!members.is_empty()).then_some(Value::Object(members))
}

/// Without a parameter it is the body as a whole.
fn loc(param: Option<&str>) -> Value {
    let part = |part: &str| part.parse::<u64>().map_or_else(|_| Value::from(part), Value::from);
    std::iter::once(Value::from("body"))
        .chain(param.into_iter().flat_map(|param| param.split('.')).map(part))
        .collect()
}

fn pointer(param: &str) -> Value {
    let part = |part: &str| format!("/{}", part.replace('~', "~0").replace('/', "~1"));
    Value::from(format!("#{}", param.split('.').map(part).collect::<String>()))
}

fn wait(form: Form, wait: Duration) -> Value {
    match form {
        Form::Go => Value::from(format!("{}s", seconds(wait))),
        Form::Millis => Value::from(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        _ => Value::Number(seconds(wait)),
    }
}

/// Seconds as a whole number where they are whole.
fn seconds(wait: Duration) -> Number {
    if wait.subsec_nanos() == 0 {
        return Number::from(wait.as_secs());
    }
    Number::from_f64(wait.as_secs_f64()).unwrap_or_else(|| Number::from(wait.as_secs()))
}

fn window(window: Duration) -> Value {
    let (count, unit) = match window.as_secs() {
        0 => return Value::from(header::duration::write(window)),
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    Value::from(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
}

fn errors(form: Form, errors: &[FieldError]) -> Option<Value> {
    if errors.is_empty() {
        return None;
    }
    if form != Form::Map {
        return Some(errors.iter().map(field_error).collect());
    }
    let mut fields = Map::new();
    for error in errors {
        let field = error.param.clone().unwrap_or_default();
        if let Value::Array(list) = fields.entry(field).or_insert_with(|| Value::Array(Vec::new())) {
            list.push(Value::from(error.message.as_str()));
        }
    }
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::read::read;
    use serde_json::json;

    #[test]
    fn facts_without_a_slot_go_to_the_rest_and_come_back() {
        let node = Node::parse(
            r#"{"error": {"code": "$code:int|null", "message": "$message", "details?": "$rest"}}"#,
        )
        .unwrap();
        let facts = Facts {
            message: Some("m".into()),
            code: Some("slow_down".into()),
            param: Some("a.0".into()),
            ..Facts::default()
        };
        let value = write(&node, &facts, &[]);
        assert_eq!(
            value,
            json!({"error": {"code": null, "message": "m", "details": {"code": "slow_down", "param": "a.0"}}})
        );
        let (back, _) = read(&node, &value).unwrap();
        assert_eq!(back, facts);
    }

    #[test]
    fn a_spread_never_hides_a_named_member() {
        let node = Node::parse(r#"{"code": "$code:int", "message": "$message", "...": "$rest"}"#).unwrap();
        let facts = Facts { message: Some("m".into()), code: Some("x".into()), ..Facts::default() };
        let value = write(&node, &facts, &[]);
        assert_eq!(value["original_code"], "x");
        let (back, _) = read(
            &Node::parse(r#"{"code": "$code:int?", "message": "$message", "...": "$rest"}"#).unwrap(),
            &value,
        )
        .unwrap();
        assert_eq!(back.code.as_deref(), Some("x"));
    }

    #[test]
    fn an_optional_object_without_facts_is_left_out() {
        let node = Node::parse(r#"{"m": "$message", "d?": {"field": "$param?", "retry_after": "$wait:s?"}}"#)
            .unwrap();
        let mut facts = Facts { message: Some("m".into()), ..Facts::default() };
        assert_eq!(write(&node, &facts, &[]), json!({"m": "m"}));
        facts.wait = Some(Duration::from_secs(60));
        assert_eq!(write(&node, &facts, &[]), json!({"m": "m", "d": {"retry_after": 60}}));
    }

    #[test]
    fn windows_are_written_in_words() {
        assert_eq!(window(Duration::from_secs(60)), "1 minute");
        assert_eq!(window(Duration::from_secs(7_200)), "2 hours");
    }
}
