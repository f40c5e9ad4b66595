//! Scopes: which routes, methods and models a key may be used for.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::config::fits;

/// What a key may be used for; an empty list allows everything of its sort.
///
/// Names may hold `*`, which stands for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Scopes {
    /// Paths of routes, such as `/groq`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) routes: Vec<String>,
    /// Methods, such as `GET`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) methods: Vec<String>,
    /// Models, such as `llama-*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) models: Vec<String>,
}

impl Scopes {
    /// The most names of one sort: a list is looked through for every request.
    pub(crate) const MOST: usize = 100;

    /// Reads what the store keeps; `None` for what this version can't read, which then allows nothing.
    pub(crate) fn read(kept: &Value) -> Option<Self> {
        match kept {
            Value::Null => Some(Self::default()),
            // A list would be read too, as the lists in their order.
            Value::Object(_) => Self::deserialize(kept).ok(),
            _ => None,
        }
    }

    /// As the store keeps it.
    pub(crate) fn json(&self) -> Value {
        serde_json::to_value(self).expect("lists of strings are JSON")
    }

    /// Whether a list or a name is longer than anybody needs.
    pub(crate) fn is_unfit(&self) -> bool {
        let unfit = |list: &Vec<String>| {
            list.len() > Self::MOST || list.iter().any(|name| name.is_empty() || name.len() > 200)
        };
        [&self.routes, &self.methods, &self.models].into_iter().any(unfit)
    }

    /// Whether anything depends on the model.
    pub(crate) fn needs_model(&self) -> bool {
        !self.models.is_empty()
    }

    /// Refuses a route or method that is beyond them.
    ///
    /// # Errors
    /// A sentence that says what the key may do.
    pub(crate) fn allow_place(&self, route: &str, method: &Method) -> Result<(), String> {
        if !self.routes.is_empty() && !self.routes.iter().any(|one| fits(one, route)) {
            return Err(format!("this key may only be used on the routes {}", listed(&self.routes)));
        }
        if !self.methods.is_empty()
            && !self.methods.iter().any(|one| one.eq_ignore_ascii_case(method.as_str()))
        {
            return Err(format!("this key may only be used with the methods {}", listed(&self.methods)));
        }
        Ok(())
    }

    /// Refuses a model that is beyond them.
    ///
    /// # Errors
    /// A sentence that says what the key may do.
    pub(crate) fn allow_model(&self, method: &Method, model: Option<&str>) -> Result<(), String> {
        if self.models.is_empty() {
            return Ok(());
        }
        let only = format!("this key may only be used for the models {}", listed(&self.models));
        match model {
            Some(model) if self.models.iter().any(|one| fits(one, model)) => Ok(()),
            Some(model) => Err(format!("{only}, not for `{}`", model.chars().take(100).collect::<String>())),
            // What names no model can't use one, if all it does is look.
            None if method.is_safe() => Ok(()),
            None => Err(format!("{only}; the request names none that can be read")),
        }
    }
}

/// `a`, `b`: enough of them to find the mistake.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN { " and others" } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn allow(kept: Value, route: &str, method: Method, model: Option<&str>) -> Result<(), String> {
        let scopes = Scopes::read(&kept).unwrap();
        scopes.allow_place(route, &method).and_then(|()| scopes.allow_model(&method, model))
    }

    #[test]
    fn an_empty_list_allows_everything_of_its_sort() {
        for kept in [json!({}), Value::Null, json!({"models": []})] {
            assert!(allow(kept, "/x", Method::DELETE, Some("m")).is_ok());
        }
    }

    #[test]
    fn what_is_beyond_is_refused_with_what_is_allowed() {
        let told = allow(json!({"routes": ["/groq"]}), "/openai", Method::GET, None).unwrap_err();
        assert_eq!(told, "this key may only be used on the routes `/groq`");
        let told = allow(json!({"methods": ["get"]}), "/", Method::POST, None).unwrap_err();
        assert_eq!(told, "this key may only be used with the methods `get`");
        assert!(allow(json!({"methods": ["get"]}), "/", Method::GET, None).is_ok());
        let models = json!({"models": ["llama-*", "gpt-5"]});
        assert!(allow(models.clone(), "/", Method::POST, Some("llama-3")).is_ok());
        let told = allow(models.clone(), "/", Method::POST, Some("gpt-55")).unwrap_err();
        assert_eq!(told, "this key may only be used for the models `llama-*`, `gpt-5`, not for `gpt-55`");
        assert!(allow(models.clone(), "/", Method::POST, None).unwrap_err().contains("names none"));
        assert!(allow(models, "/", Method::GET, None).is_ok(), "looking uses no model");
    }

    #[test]
    fn what_this_version_cant_read_allows_nothing() {
        for kept in [json!({"regions": ["eu"]}), json!([]), json!({"models": "x"}), json!(1)] {
            assert_eq!(Scopes::read(&kept), None, "{kept}");
        }
        let scopes = Scopes { models: vec!["m".to_owned()], ..Scopes::default() };
        assert_eq!(Scopes::read(&scopes.json()), Some(scopes));
    }
}
