//! Writing: an envelope template filled with facts.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Number, Value};

use crate::dialect::Facts;
use crate::dialect::rest::{self, Shown, field_error, left_over};
use crate::failure::{FieldError, Part};
use crate::header;
use crate::pointer;
use crate::spec::{Form, Member, Node, Presence, Slot, SlotName};

mod out;
pub(super) use out::Out;

/// What a contract shows in place of another API's words; absent: the words themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub(super) code: Option<String>,
    pub(super) type_: Option<String>,
}

/// Fills a template. Facts that found no place of their own go to its `$rest`, if it has one.
///
/// `elsewhere` names the facts that the answer already carries outside the body.
pub(super) fn write<'a>(node: &'a Node, facts: &'a Facts, own: &'a Own, elsewhere: &[SlotName]) -> Out<'a> {
    let has_rest = node.holds(SlotName::Rest);
    let shown = Shown { facts: elsewhere.to_vec(), others: Vec::new() };
    let mut probe = Writer { facts, own, has_rest, rest: Map::new(), shown };
    let out = probe.node(node);
    let rest = if has_rest { left_over(facts, &probe.shown) } else { Map::new() };
    if rest.is_empty() {
        return out.unwrap_or(Out::Null);
    }
    Writer { rest, ..probe }.node(node).unwrap_or(Out::Null)
}

struct Writer<'a> {
    facts: &'a Facts,
    own: &'a Own,
    /// The template has a `$rest`, which takes the details too.
    has_rest: bool,
    rest: Map<String, Value>,
    shown: Shown,
}

impl<'a> Writer<'a> {
    /// `None` when there is nothing to write here.
    fn node(&mut self, node: &'a Node) -> Option<Out<'a>> {
        match node {
            Node::Literal(value) => Some(Out::Given(Cow::Borrowed(value))),
            Node::Slot(slot) => self.slot(*slot),
            Node::Object(members) => Some(Out::Object(self.object(members))),
            Node::Tuple(nodes) => {
                let items: Vec<_> = nodes.iter().filter(|node| self.has_fact(node)).collect();
                Some(Out::Array(items.into_iter().filter_map(|node| self.node(node)).collect()))
            }
            Node::List(node) => Some(self.list(node)),
        }
    }

    fn object(&mut self, members: &'a [Member]) -> Vec<(Cow<'a, str>, Out<'a>)> {
        let mut out = Vec::with_capacity(members.len());
        for member in members.iter().filter(|member| !member.is_spread()) {
            let nested = !matches!(member.node, Node::Slot(_) | Node::Literal(_));
            if member.optional && nested && !self.has_fact(&member.node) {
                continue;
            }
            match self.node(&member.node) {
                Some(Out::Null) if member.optional && is_required(&member.node) => {}
                Some(value) => out.push((Cow::Borrowed(member.key.as_str()), value)),
                None => {}
            }
        }
        if let Some(spread) = members.iter().find(|member| member.is_spread()) {
            let takes_facts = spread.node.holds(SlotName::Rest);
            if takes_facts || !self.has_rest {
                let mut more = Map::new();
                rest::put(&self.facts.details, &self.rest, members, &mut more);
                out.extend(more.into_iter().map(|(key, value)| (Cow::Owned(key), Out::value(value))));
            }
        }
        out
    }

    fn list(&mut self, node: &Node) -> Out<'a> {
        self.shown.facts.push(SlotName::Errors);
        self.show_first(node);
        let errors = match self.facts.errors.as_slice() {
            [] => vec![FieldError {
                param: self.facts.param.clone(),
                part: self.facts.part,
                message: self.facts.message.clone().unwrap_or_default(),
                code: None,
            }],
            errors => errors.to_vec(),
        };
        let item = |error: &FieldError| {
            let facts = Facts {
                message: Some(error.message.clone()),
                param: error.param.clone(),
                part: error.part,
                code: error.code.clone().or_else(|| self.facts.code.clone()),
                type_: error.code.clone().or_else(|| self.facts.type_.clone()),
                errors: vec![error.clone()],
                ..Facts::default()
            };
            let (own, shown) = (Own::default(), Shown::default());
            let mut writer = Writer { facts: &facts, own: &own, has_rest: false, rest: Map::new(), shown };
            // Facts of its own, which end here.
            writer.node(node).map(|item| Out::value(item.into_value()))
        };
        Out::Array(errors.iter().filter_map(item).collect())
    }

    /// The first field error stands for the main facts where it says the same.
    fn show_first(&mut self, node: &Node) {
        let facts = self.facts;
        let first = facts.errors.first();
        let code = first.and_then(|first| first.code.as_ref());
        let says = [
            (SlotName::Message, first.is_none_or(|first| Some(&first.message) == facts.message.as_ref())),
            (SlotName::Param, first.is_none_or(|first| first.param == facts.param)),
            (SlotName::Code, code.is_none_or(|code| Some(code) == facts.code.as_ref())),
            (SlotName::Type, code.is_none_or(|code| Some(code) == facts.type_.as_ref())),
        ];
        for (slot, same) in says {
            if node.holds(slot) {
                if same { self.shown.facts.push(slot) } else { self.shown.others.push(slot) }
            }
        }
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

    fn slot(&mut self, slot: Slot) -> Option<Out<'a>> {
        match self.value(slot) {
            Some(value) => {
                if self.shows_own(slot.name) {
                    self.shown.others.push(slot.name);
                } else {
                    self.shown.facts.push(slot.name);
                }
                if slot.name == SlotName::FieldCode && rest::is_the_only_one(self.facts) {
                    self.shown.facts.push(SlotName::Errors);
                }
                Some(value)
            }
            None => match slot.presence {
                Presence::Optional => None,
                Presence::Required | Presence::Nullable => Some(Out::Null),
            },
        }
    }

    /// Whether the contract's own word stands here instead of the fact.
    fn shows_own(&self, name: SlotName) -> bool {
        match name {
            SlotName::Code => self.own.code.is_some(),
            SlotName::Type => self.own.type_.is_some(),
            _ => false,
        }
    }

    fn value(&self, slot: Slot) -> Option<Out<'a>> {
        let facts = self.facts;
        let code = self.own.code.as_deref().or(facts.code.as_deref());
        match slot.name {
            SlotName::Message => text(facts.message.as_deref()),
            SlotName::Code if slot.form == Form::Int => {
                code.and_then(|code| code.parse::<i64>().ok()).map(Out::value)
            }
            SlotName::Code => text(code),
            SlotName::Type => text(self.own.type_.as_deref().or(facts.type_.as_deref())),
            SlotName::Param if slot.form == Form::Loc => {
                Some(Out::value(loc(facts.part, facts.param.as_deref())))
            }
            SlotName::Param if slot.form == Form::Pointer => {
                facts.param.as_deref().map(|param| Out::value(pointer(param)))
            }
            SlotName::Param => text(facts.param.as_deref()),
            SlotName::RequestId => text(facts.request_id.as_deref()),
            SlotName::Title => text(facts.title.as_deref()),
            SlotName::Kind => facts.kind.map(|kind| Out::text(kind.as_str())),
            SlotName::Status if slot.form == Form::Text => {
                facts.status.map(|status| Out::value(status.to_string()))
            }
            SlotName::Status => facts.status.map(Out::value),
            SlotName::Wait => facts.wait.map(|wait| Out::value(self::wait(slot.form, wait))),
            SlotName::Limit => facts.limit.map(Out::value),
            SlotName::Remaining => facts.remaining.map(Out::value),
            SlotName::Window => facts.window.map(|length| Out::value(window(length))),
            SlotName::FieldCode => text(facts.errors.first().and_then(|error| error.code.as_deref())),
            SlotName::Errors => errors(slot.form, &facts.errors).map(Out::value),
            SlotName::Details if self.has_rest => None,
            SlotName::Details | SlotName::Rest => {
                let mut out = Map::new();
                rest::put(&facts.details, &self.rest, &[], &mut out);
                (!out.is_empty()).then(|| Out::value(out))
            }
            SlotName::Any => None,
        }
    }
}

/// A slot that is written as null when absent, unless its member may be missing.
fn is_required(node: &Node) -> bool {
    matches!(node, Node::Slot(slot) if slot.presence == Presence::Required)
}

fn text(fact: Option<&str>) -> Option<Out<'_>> {
    fact.map(Out::text)
}

/// Without a parameter it is the body as a whole.
fn loc(in_part: Part, param: Option<&str>) -> Value {
    let part = |part: &str| match part.parse::<u64>() {
        Ok(index) if index.to_string() == part => Value::from(index),
        _ => Value::from(part),
    };
    std::iter::once(Value::from(in_part.as_str()))
        .chain(param.into_iter().flat_map(|param| param.split('.')).map(part))
        .collect()
}

fn pointer(param: &str) -> Value {
    let part = |part: &str| format!("/{}", pointer::escaped(part));
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
        let own = Own::default();
        let value = write(&node, &facts, &own, &[]).into_value();
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
        let own = Own::default();
        let value = write(&node, &facts, &own, &[]).into_value();
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
        let (own, mut facts) = (Own::default(), Facts { message: Some("m".into()), ..Facts::default() });
        assert_eq!(write(&node, &facts, &own, &[]).into_value(), json!({"m": "m"}));
        facts.wait = Some(Duration::from_secs(60));
        assert_eq!(write(&node, &facts, &own, &[]).into_value(), json!({"m": "m", "d": {"retry_after": 60}}));
    }

    #[test]
    fn windows_are_written_in_words() {
        assert_eq!(window(Duration::from_secs(60)), "1 minute");
        assert_eq!(window(Duration::from_secs(7_200)), "2 hours");
    }
}
