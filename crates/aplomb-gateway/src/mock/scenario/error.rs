//! Why a text is no scenario.

/// A text that is no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// A name that isn't known.
    #[error("`{name}` is no scenario{}", meant(.near))]
    Name {
        /// As written.
        name: String,
        /// What was probably meant.
        near: Option<&'static str>,
    },
    /// A fact that isn't known.
    #[error("`{name}` is nothing that a scenario says{}", meant(.near))]
    Fact {
        /// As written.
        name: String,
        /// What was probably meant.
        near: Option<&'static str>,
    },
    /// A value that can't be used.
    #[error("`{value}` can't follow `{name}`; it takes {takes}")]
    Value {
        /// The name before it.
        name: String,
        /// As written.
        value: String,
        /// What is taken there.
        takes: &'static str,
    },
    /// A sequence that is longer than anyone means.
    #[error("a scenario of more than 1000 characters or 1000 repetitions is not taken")]
    TooLong,
}

fn meant(near: &Option<&'static str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}
