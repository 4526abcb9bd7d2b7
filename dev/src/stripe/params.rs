//! Reads Stripe's form encoding: `line_items[0][price_data][currency]=usd` is a tree of maps, a list being a map
//! with numbers for keys. Order does not matter: the same parameters in another order have the same fingerprint.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::api_error::ApiError;

/// Far above what a session of 100 items needs; a body beyond it is a mistake.
const MAX_PAIRS: usize = 4_000;
const MAX_DEPTH: usize = 8;
const METADATA_MAX_KEYS: usize = 50;
const METADATA_MAX_KEY_CHARACTERS: usize = 40;
const METADATA_MAX_VALUE_CHARACTERS: usize = 500;

#[derive(Debug)]
enum Param {
    Text(String),
    Tree(BTreeMap<String, Param>),
}

/// All parameters of one request, from its body or its query string.
#[derive(Debug, Default)]
pub(super) struct Params(BTreeMap<String, Param>);

impl Params {
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, ApiError> {
        let mut root = BTreeMap::new();
        for (count, (key, value)) in url::form_urlencoded::parse(encoded).enumerate() {
            if count >= MAX_PAIRS {
                return Err(ApiError::malformed(format!("More than {MAX_PAIRS} parameters.")));
            }
            let segments = split_key(&key)?;
            insert(&mut root, &segments, value.into_owned(), &key)?;
        }
        Ok(Self(root))
    }

    pub(super) fn root(&self) -> Scope<'_> {
        Scope { name: String::new(), tree: &self.0 }
    }

    /// Tells two requests apart by what they ask: the path and every parameter, in any order.
    pub(super) fn fingerprint(&self, path: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        hash_text(&mut digest, path);
        hash_tree(&mut digest, &self.0);
        digest.finalize().into()
    }
}

fn hash_text(digest: &mut Sha256, text: &str) {
    digest.update((text.len() as u64).to_be_bytes());
    digest.update(text.as_bytes());
}

fn hash_tree(digest: &mut Sha256, tree: &BTreeMap<String, Param>) {
    digest.update((tree.len() as u64).to_be_bytes());
    for (key, param) in tree {
        hash_text(digest, key);
        match param {
            Param::Text(text) => {
                digest.update([0]);
                hash_text(digest, text);
            }
            Param::Tree(inner) => {
                digest.update([1]);
                hash_tree(digest, inner);
            }
        }
    }
}

/// `a[b][0]` is `a`, `b`, `0`.
fn split_key(key: &str) -> Result<Vec<&str>, ApiError> {
    let malformed = || ApiError::malformed(format!("Invalid parameter name: {}", clip(key)));
    let (head, rest) = key.split_once('[').map_or((key, None), |(head, rest)| (head, Some(rest)));
    let mut segments = vec![head];
    if let Some(rest) = rest {
        segments.extend(rest.strip_suffix(']').ok_or_else(malformed)?.split("]["));
    }
    let well_formed = segments.iter().all(|segment| !segment.contains(['[', ']']));
    if head.is_empty() || !well_formed || segments.len() > MAX_DEPTH {
        return Err(malformed());
    }
    Ok(segments)
}

fn insert(
    tree: &mut BTreeMap<String, Param>,
    segments: &[&str],
    value: String,
    whole_key: &str,
) -> Result<(), ApiError> {
    let Some((first, rest)) = segments.split_first() else { return Ok(()) };
    // `expand[]=a&expand[]=b` numbers its items by their order.
    let key = if first.is_empty() { tree.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        if let Some(Param::Tree(_)) = tree.get(&key) {
            return Err(ApiError::bare_parameter(clip(whole_key), "Invalid object"));
        }
        tree.insert(key, Param::Text(value));
        return Ok(());
    }
    match tree.entry(key).or_insert_with(|| Param::Tree(BTreeMap::new())) {
        Param::Tree(inner) => insert(inner, rest, value, whole_key),
        Param::Text(_) => Err(ApiError::bare_parameter(clip(whole_key), "Invalid object")),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}

static EMPTY: BTreeMap<String, Param> = BTreeMap::new();

/// One level of the tree, with its name as a client writes it, for error messages.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    name: String,
    tree: &'a BTreeMap<String, Param>,
}

impl<'a> Scope<'a> {
    pub(super) fn name_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}[{key}]", self.name) }
    }

    /// Stripe refuses parameters it does not know, so that a misspelt one is not silently ignored.
    pub(super) fn allow_only(&self, known: &[&str]) -> Result<(), ApiError> {
        match self.tree.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let name = clip(&self.name_of(key));
                let message = format!("Received unknown parameter: {name}");
                Err(ApiError::parameter(name, "parameter_unknown", message))
            }
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ApiError> {
        match self.tree.get(key) {
            None => Ok(None),
            Some(Param::Tree(_)) => Err(ApiError::bare_parameter(self.name_of(key), "Invalid string")),
            Some(Param::Text(text)) if text.is_empty() => {
                let name = self.name_of(key);
                let message = format!(
                    "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a \
                     parameter; however '{name}' cannot be unset. You should remove '{name}' from your request \
                     or supply a non-empty value."
                );
                Err(ApiError::parameter(name, "parameter_invalid_empty", message))
            }
            Some(Param::Text(text)) => Ok(Some(text)),
        }
    }

    pub(super) fn required_text(&self, key: &str) -> Result<&'a str, ApiError> {
        self.text(key)?.ok_or_else(|| ApiError::missing_parameter(&self.name_of(key)))
    }

    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let message = format!("Invalid integer: {}", clip(text));
            ApiError::parameter(self.name_of(key), "parameter_invalid_integer", message)
        })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.tree.contains_key(key)
    }

    /// A nested object; an absent one is empty.
    pub(super) fn object(&self, key: &str) -> Result<Scope<'a>, ApiError> {
        let name = self.name_of(key);
        match self.tree.get(key) {
            None => Ok(Scope { name, tree: &EMPTY }),
            Some(Param::Tree(tree)) => Ok(Scope { name, tree }),
            Some(Param::Text(_)) => Err(ApiError::bare_parameter(name, "Invalid object")),
        }
    }

    /// The members of a list of objects, in the order of their numbers.
    pub(super) fn objects(&self, key: &str) -> Result<Vec<Scope<'a>>, ApiError> {
        let list = self.object(key)?;
        let mut members = Vec::with_capacity(list.tree.len());
        for (index, param) in list.tree {
            let (Ok(number), Param::Tree(tree)) = (index.parse::<u32>(), param) else {
                return Err(ApiError::bare_parameter(list.name, "Invalid array"));
            };
            members.push((number, Scope { name: list.name_of(index), tree }));
        }
        members.sort_by_key(|(number, _)| *number);
        Ok(members.into_iter().map(|(_, scope)| scope).collect())
    }

    /// The members of a list of texts, in any order.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<&'a str>, ApiError> {
        let list = self.object(key)?;
        list.tree.keys().map(|index| list.required_text(index)).collect()
    }

    /// Metadata within Stripe's limits; an empty value means the key is not there.
    pub(super) fn metadata(&self, key: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let object = self.object(key)?;
        let mut metadata = BTreeMap::new();
        for (key, param) in object.tree {
            let name = clip(&object.name_of(key));
            let Param::Text(value) = param else {
                return Err(ApiError::bare_parameter(name, "Metadata values must be strings"));
            };
            if key.chars().count() > METADATA_MAX_KEY_CHARACTERS {
                let message =
                    format!("Metadata keys must be under {METADATA_MAX_KEY_CHARACTERS} characters.");
                return Err(ApiError::parameter(name, "parameter_invalid_string_blank", message));
            }
            if value.chars().count() > METADATA_MAX_VALUE_CHARACTERS {
                let message =
                    format!("Metadata values must be under {METADATA_MAX_VALUE_CHARACTERS} characters.");
                return Err(ApiError::bare_parameter(name, message));
            }
            if !value.is_empty() {
                metadata.insert(key.clone(), value.clone());
            }
        }
        if metadata.len() > METADATA_MAX_KEYS {
            let message = format!("Metadata can have up to {METADATA_MAX_KEYS} keys.");
            return Err(ApiError::bare_parameter(object.name, message));
        }
        Ok(metadata)
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    fn parse(encoded: &str) -> Params {
        Params::parse(encoded.as_bytes()).unwrap_or_else(|error| panic!("{error:?}"))
    }

    #[test]
    fn nested_names_become_a_tree() {
        let params = parse(
            "line_items[1][quantity]=2&line_items[0][price_data][currency]=usd&expand%5B%5D=a&expand[]=b",
        );
        let items = params.root().objects("line_items").unwrap_or_default();
        assert_eq!(items.len(), 2);
        let price = items[0].object("price_data").ok();
        assert_eq!(price.and_then(|price| price.text("currency").ok().flatten()), Some("usd"));
        assert_eq!(items[1].integer("quantity").ok().flatten(), Some(2));
        assert_eq!(params.root().texts("expand").unwrap_or_default(), ["a", "b"]);
    }

    #[test]
    fn the_fingerprint_ignores_order_and_nothing_else() {
        let one = parse("metadata[a]=1&metadata[b]=2").fingerprint("/v1/x");
        assert_eq!(one, parse("metadata[b]=2&metadata[a]=1").fingerprint("/v1/x"));
        assert_ne!(one, parse("metadata[b]=2&metadata[a]=1").fingerprint("/v1/y"));
        assert_ne!(one, parse("metadata[b]=2&metadata[a]=12").fingerprint("/v1/x"));
        assert_ne!(one, parse("metadata[ab]=2&metadata[a]=1").fingerprint("/v1/x"));
    }

    #[test]
    fn broken_names_are_refused() {
        for encoded in ["a[b=1", "[a]=1", "a]b[=1", "a[b]c=1", "a=1&a[b]=2", "a[b]=2&a=1", "a[[b]]=1"] {
            assert!(Params::parse(encoded.as_bytes()).is_err(), "{encoded}");
        }
    }

    #[test]
    fn metadata_keeps_to_the_limits() {
        let many: Vec<String> = (0..51).map(|number| format!("metadata[k{number}]=v")).collect();
        assert!(parse(&many.join("&")).root().metadata("metadata").is_err());
        assert!(parse(&many[..50].join("&")).root().metadata("metadata").is_ok());
        assert!(parse(&format!("metadata[{}]=v", "k".repeat(41))).root().metadata("metadata").is_err());
        assert!(parse(&format!("metadata[k]={}", "v".repeat(501))).root().metadata("metadata").is_err());
    }
}
