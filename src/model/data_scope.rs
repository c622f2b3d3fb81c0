//! Data scopes: which data a token may reach, as the allowed values of each dimension.
//!
//! A JSON object such as `{"site": ["nyc", "lon"]}`. The dimension `*` stands for every dimension that is not named;
//! without it, those are unrestricted. So `{}` is everything and `{"*": []}` nothing. Each meaning has exactly one
//! form. Parsing never repairs or guesses: anything but an object of arrays of strings is refused.

mod error;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use error::DataScopeError;

/// The allowed values of each dimension. Two data scopes are equal exactly when they allow the same.
///
/// A dimension whose values equal those of `*` has no entry, since it falls back to `*`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataScopes(BTreeMap<String, BTreeSet<String>>);

impl DataScopes {
    /// The dimension that stands for every dimension not named.
    pub const OTHERS: &str = "*";

    /// The most dimensions that can be named. An intersection may have those of both sides.
    pub const MAX_DIMENSIONS: usize = 64;

    /// The most values of all dimensions together, counting repetitions.
    pub const MAX_VALUES: usize = 10_000;

    /// The most bytes in the name of a dimension, and in a value.
    pub const MAX_LENGTH: usize = 255;

    /// Parses the JSON form.
    ///
    /// # Errors
    /// A [`DataScopeError`] when it is not an object of arrays of strings, or exceeds one of the bounds above.
    pub fn parse(json: &Value) -> Result<Self, DataScopeError> {
        let object = json.as_object().ok_or(DataScopeError::NotAnObject)?;
        if object.len() > Self::MAX_DIMENSIONS {
            return Err(DataScopeError::TooManyDimensions);
        }
        let mut room = Self::MAX_VALUES;
        let mut dimensions = BTreeMap::new();
        for (dimension, values) in object {
            if dimension.is_empty() || dimension.len() > Self::MAX_LENGTH {
                return Err(DataScopeError::DimensionLength);
            }
            let values = values.as_array().ok_or(DataScopeError::NotAnArray)?;
            room = room.checked_sub(values.len()).ok_or(DataScopeError::TooManyValues)?;
            dimensions.insert(dimension.clone(), parse_values(values)?);
        }
        Ok(Self::normalise(dimensions))
    }

    /// Everything: `{}`.
    pub fn unrestricted() -> Self {
        Self::default()
    }

    /// Nothing, in any dimension: `{"*": []}`.
    pub fn nothing() -> Self {
        Self(BTreeMap::from([(Self::OTHERS.to_owned(), BTreeSet::new())]))
    }

    /// The approximate number of bytes they take in memory.
    pub fn size(&self) -> usize {
        let entry = |text: &String| text.len() + 48;
        self.0.iter().map(|(dimension, values)| entry(dimension) + values.iter().map(entry).sum::<usize>()).sum()
    }

    /// Whether every value of every dimension is allowed.
    pub fn is_unrestricted(&self) -> bool {
        self.0.is_empty()
    }

    /// The allowed values of a dimension, or `None` when it is unrestricted.
    ///
    /// For `*`, the answer is that of every dimension that is not named.
    pub fn allowed(&self, dimension: &str) -> Option<&BTreeSet<String>> {
        self.0.get(dimension).or_else(|| self.0.get(Self::OTHERS))
    }

    /// Whether the dimension may have this value.
    pub fn allows(&self, dimension: &str, value: &str) -> bool {
        self.allowed(dimension).is_none_or(|values| values.contains(value))
    }

    /// Whether `other` allows everything that this allows.
    pub fn within(&self, other: &Self) -> bool {
        self.dimensions(other).all(|dimension| match (self.allowed(dimension), other.allowed(dimension)) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(ours), Some(theirs)) => ours.is_subset(theirs),
        })
    }

    /// What both allow.
    pub fn intersect(&self, other: &Self) -> Self {
        let common = self.dimensions(other).filter_map(|dimension| {
            let values = match (self.allowed(dimension), other.allowed(dimension)) {
                (Some(ours), Some(theirs)) => ours & theirs,
                (Some(values), None) | (None, Some(values)) => values.clone(),
                (None, None) => return None,
            };
            Some((dimension.to_owned(), values))
        });
        Self::normalise(common.collect())
    }

    /// The JSON form: dimensions and values sorted by bytes and without repetitions.
    pub fn to_value(&self) -> Value {
        let entry =
            |(dimension, values): (&String, &BTreeSet<String>)| (dimension.clone(), values.iter().cloned().collect());
        Value::Object(self.0.iter().map(entry).collect())
    }

    /// The dimensions that either side names, and `*` for all others.
    fn dimensions<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let named: BTreeSet<&str> =
            self.0.keys().chain(other.0.keys()).map(String::as_str).chain([Self::OTHERS]).collect();
        named.into_iter()
    }

    fn normalise(mut dimensions: BTreeMap<String, BTreeSet<String>>) -> Self {
        if let Some(others) = dimensions.remove(Self::OTHERS) {
            dimensions.retain(|_, values| *values != others);
            dimensions.insert(Self::OTHERS.to_owned(), others);
        }
        Self(dimensions)
    }
}

fn parse_values(values: &[Value]) -> Result<BTreeSet<String>, DataScopeError> {
    let parse = |(index, value): (usize, &Value)| match value.as_str() {
        None => Err(DataScopeError::NotAString { index }),
        Some(text) if text.len() > DataScopes::MAX_LENGTH => Err(DataScopeError::ValueTooLong { index }),
        Some(text) => Ok(text.to_owned()),
    };
    (1..).zip(values).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::btree_map, prelude::*, sample::subsequence};
    use serde_json::json;

    fn data(json: Value) -> DataScopes {
        DataScopes::parse(&json).unwrap()
    }

    #[test]
    fn a_dimension_not_named_falls_back_to_the_others_and_without_them_is_unrestricted() {
        let sites = data(json!({"site": ["nyc", "lon"]}));
        assert!(sites.allows("site", "nyc") && !sites.allows("site", "par") && sites.allows("rack", "7"));
        let only_sites = data(json!({"site": ["nyc"], "*": []}));
        assert!(only_sites.allows("site", "nyc") && !only_sites.allows("rack", "7"));
    }

    #[test]
    fn the_empty_object_is_everything_and_the_empty_rest_is_nothing() {
        assert_eq!(data(json!({})), DataScopes::unrestricted());
        assert_eq!(data(json!({"*": []})), DataScopes::nothing());
        assert!(DataScopes::nothing().allowed("site").is_some_and(BTreeSet::is_empty));
        assert!(!data(json!({"site": []})).allows("site", "nyc"));
    }

    #[test]
    fn the_json_form_is_sorted_and_without_repetitions_or_entries_the_rest_implies() {
        let given = data(json!({"site": ["b", "a", "b"], "rack": ["1"], "*": ["1"]}));
        assert_eq!(given.to_value(), json!({"*": ["1"], "site": ["a", "b"]}));
    }

    #[test]
    fn whatever_is_not_an_object_of_arrays_of_strings_is_refused() {
        use DataScopeError::*;
        let refused = [
            (json!(null), NotAnObject),
            (json!([]), NotAnObject),
            (json!("site"), NotAnObject),
            (json!({"site": "nyc"}), NotAnArray),
            (json!({"site": null}), NotAnArray),
            (json!({"site": ["nyc", 7]}), NotAString { index: 2 }),
            (json!({"site": [["nyc"]]}), NotAString { index: 1 }),
            (json!({"site": [null]}), NotAString { index: 1 }),
            (json!({"": []}), DimensionLength),
            (json!({"d".repeat(256): []}), DimensionLength),
            (json!({"site": ["v".repeat(256)]}), ValueTooLong { index: 1 }),
            (json!({"site": vec!["v"; 5_000], "rack": vec!["v"; 5_001]}), TooManyValues),
        ];
        for (json, error) in refused {
            assert_eq!(DataScopes::parse(&json), Err(error));
        }
        let crowd = (0..65).map(|number| (number.to_string(), json!([]))).collect();
        assert_eq!(DataScopes::parse(&Value::Object(crowd)), Err(TooManyDimensions));
        assert!(DataScopes::parse(&json!({"d".repeat(255): vec!["v".repeat(255); 10_000]})).is_ok());
    }

    /// The values of a small world that a data scope allows. Tests never name the dimension `z` and the value `3`, so
    /// these stand for whatever a data scope does not name.
    fn world(allows: impl Fn(&str, &str) -> bool) -> Vec<bool> {
        let mut answers = Vec::new();
        for dimension in ["x", "y", "z"] {
            answers.extend(["1", "2", "3"].map(|value| allows(dimension, value)));
        }
        answers
    }

    /// The meaning of a data scope, computed from its JSON by the definition alone.
    fn meaning(json: &Value) -> Vec<bool> {
        world(|dimension, value| match json.get(dimension).or(json.get("*")) {
            Some(Value::Array(values)) => values.iter().any(|allowed| allowed == value),
            _ => true,
        })
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let values = subsequence(vec!["1", "2"], 0..=2).prop_map(|values| json!(values));
        btree_map("[xy*]", values, 0..=3).prop_map(|entries| Value::Object(entries.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn the_json_form_keeps_the_meaning_and_is_read_back_as_the_same(json in any_json()) {
            let value = data(json.clone()).to_value();
            prop_assert_eq!(meaning(&value), meaning(&json));
            prop_assert_eq!(data(value.clone()).to_value(), value);
        }

        #[test]
        fn each_answer_agrees_with_the_definition(json in any_json()) {
            let scopes = data(json.clone());
            let answers = world(|dimension, value| scopes.allows(dimension, value));
            prop_assert_eq!(scopes.is_unrestricted(), answers.iter().all(|&allowed| allowed));
            prop_assert_eq!(answers, meaning(&json));
        }

        #[test]
        fn equality_inclusion_and_intersection_are_those_of_meanings(
            left in any_json(),
            right in any_json(),
        ) {
            let (ours, theirs) = (meaning(&left), meaning(&right));
            let both: Vec<bool> = ours.iter().zip(&theirs).map(|(a, b)| a & b).collect();
            let (left, right) = (data(left), data(right));
            prop_assert_eq!(left == right, ours == theirs);
            prop_assert_eq!(left.within(&right), both == ours);
            prop_assert_eq!(meaning(&left.intersect(&right).to_value()), both);
        }
    }
}
