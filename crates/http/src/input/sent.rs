//! Bodies whose shape stands once: [`sent!`](crate::sent) makes the reader, all faults at once, and the schema of one
//! struct.
//!
//! ```
//! use primetech_http::input::sent::{EmailAddress, Line, Lines, Sku};
//!
//! primetech_http::sent! {
//!     /// What is booked, and for whom.
//!     pub struct BookBody {
//!         service_sku: Sku,
//!         name: Line<1, 120> = "Jane Doe",
//!         email: EmailAddress,
//!         /// For the person who provides the service.
//!         notes: Option<Lines<1, 2000>> = "By video, please.",
//!     }
//! }
//! ```
//!
//! A member's type is a [`Member`]: a sort of [`Text`], or an `Option` of one, which may be left out, or an
//! [`Integer`]. The struct's field has the checked value: `service_sku` is a `String` here. On the wire
//! names are in camelCase.

use std::borrow::Cow;

use serde_json::Value;
use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat, SchemaType, Type};

/// For what [`sent!`](crate::sent) makes.
pub use utoipa::openapi::schema::ObjectBuilder;
pub use utoipa::openapi::{RefOr, Schema};
pub use utoipa::{PartialSchema, ToSchema};

use super::rules::{self, Flaw, WrittenUrl};
use super::{Body, Field};

/// A struct that [`sent!`](crate::sent) made.
pub trait Sent: ToSchema + Sized {
    /// Reads the members of an object. Notes the faults of all of them.
    fn read(body: &mut Body<'_>) -> Field<Self>;
}

/// A sort of text, with the rule that its values keep to.
pub trait Text {
    type Value;

    fn judge(text: &str) -> Result<Self::Value, Flaw>;

    /// Of type string; with an example that [`judge`](Self::judge) takes.
    fn schema() -> ObjectBuilder;
}

/// What a member of a struct may be.
pub trait Member {
    type Value;
    /// False: it may be left out.
    const REQUIRED: bool;

    fn read(body: &mut Body<'_>, name: &str) -> Field<Self::Value>;

    fn schema() -> Object;
}

impl<T: Text> Member for T {
    type Value = T::Value;
    const REQUIRED: bool = true;

    fn read(body: &mut Body<'_>, name: &str) -> Field<T::Value> {
        body.required(name, T::judge)
    }

    fn schema() -> Object {
        T::schema().build()
    }
}

impl<T: Text> Member for Option<T> {
    type Value = Option<T::Value>;
    const REQUIRED: bool = false;

    fn read(body: &mut Body<'_>, name: &str) -> Field<Self::Value> {
        body.optional(name, T::judge)
    }

    fn schema() -> Object {
        T::schema().schema_type(SchemaType::from_iter([Type::String, Type::Null])).build()
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug)]
pub struct Integer<const LEAST: u32, const MOST: u32>;

impl<const LEAST: u32, const MOST: u32> Member for Integer<LEAST, MOST> {
    type Value = u32;
    const REQUIRED: bool = true;

    fn read(body: &mut Body<'_>, name: &str) -> Field<u32> {
        body.integer(name, LEAST..=MOST)
    }

    fn schema() -> Object {
        let integer = ObjectBuilder::new().schema_type(Type::Integer);
        integer.minimum(Some(LEAST)).maximum(Some(MOST)).build()
    }
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

macro_rules! texts {
    ($($(#[$doc:meta])+ $name:ident -> $value:ty: $rule:path, $schema:expr;)+) => {
        $(
            $(#[$doc])+
            #[derive(Debug)]
            pub struct $name;

            impl Text for $name {
                type Value = $value;

                fn judge(text: &str) -> Result<$value, Flaw> {
                    $rule(text)
                }

                fn schema() -> ObjectBuilder {
                    $schema
                }
            }
        )+
    };
}

texts! {
    /// See [`rules::sku`].
    Sku -> String: rules::sku, string().pattern(Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")).examples(["editor-pro"]);
    /// See [`rules::email`].
    EmailAddress -> String: rules::email,
        string().format(Some(SchemaFormat::KnownFormat(KnownFormat::Email))).max_length(Some(254))
            .examples(["jane@example.com"]);
    /// See [`rules::phone`].
    Phone -> String: rules::phone, string().max_length(Some(32)).examples(["+44 20 7946 0000"]);
    /// See [`rules::time`].
    Time -> chrono::DateTime<chrono::Utc>: rules::time,
        string().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).examples(["2027-01-31T12:00:00Z"]);
    /// See [`rules::written_url`].
    WebAddress -> WrittenUrl: rules::written_url,
        string().format(Some(SchemaFormat::Custom("uri".to_owned()))).max_length(Some(2048))
            .examples(["https://shop.example/thanks"]);
}

/// One line of `LEAST` to `MOST` characters, not blank. See [`rules::text`].
#[derive(Debug)]
pub struct Line<const LEAST: usize, const MOST: usize>;

impl<const LEAST: usize, const MOST: usize> Text for Line<LEAST, MOST> {
    type Value = String;

    fn judge(text: &str) -> Result<String, Flaw> {
        rules::text(LEAST..=MOST)(text)
    }

    fn schema() -> ObjectBuilder {
        string().min_length(Some(LEAST)).max_length(Some(MOST)).examples(["text"])
    }
}

/// Lines of `LEAST` to `MOST` characters in all. See [`rules::lines`].
#[derive(Debug)]
pub struct Lines<const LEAST: usize, const MOST: usize>;

impl<const LEAST: usize, const MOST: usize> Text for Lines<LEAST, MOST> {
    type Value = String;

    fn judge(text: &str) -> Result<String, Flaw> {
        rules::lines(LEAST..=MOST)(text)
    }

    fn schema() -> ObjectBuilder {
        string().min_length(Some(LEAST)).max_length(Some(MOST)).examples(["text"])
    }
}

/// A field's name as clients write it.
pub fn camel_case(name: &'static str) -> Cow<'static, str> {
    let mut words = name.split('_');
    let (Some(first), rest) = (words.next(), words) else { return name.into() };
    let mut camel = first.to_owned();
    for word in rest {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel.into()
}

/// The member's schema with what is said of it beside its type.
pub fn member_schema<M: Member>(description: &str, example: Option<Value>) -> Object {
    let mut schema = M::schema();
    schema.description = (!description.is_empty()).then(|| description.to_owned());
    if let Some(example) = example {
        schema.examples = vec![example];
    }
    schema
}

/// See [`member_schema`].
pub type Example = Value;

/// An example as it is sent.
pub fn example(value: impl Into<Value>) -> Example {
    value.into()
}

/// The lines of a doc comment as one text.
pub fn description(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// Makes a struct that is read from a body: see [`input::sent`](crate::input::sent).
#[macro_export]
macro_rules! sent {
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $name:ident {
            $($(#[doc = $said:literal])* $field:ident: $member:ty $(= $example:expr)?),+ $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $($(#[doc = $said])* $vis $field: <$member as $crate::input::sent::Member>::Value,)+
        }

        impl $crate::input::sent::Sent for $name {
            fn read(body: &mut $crate::input::Body<'_>) -> $crate::input::Field<Self> {
                $(
                    let $field = <$member as $crate::input::sent::Member>::read(
                        body,
                        &$crate::input::sent::camel_case(stringify!($field)),
                    );
                )+
                $crate::input::Field::all(($($field,)+)).map(|($($field,)+)| Self { $($field),+ })
            }
        }

        impl $crate::input::sent::PartialSchema for $name {
            fn schema() -> $crate::input::sent::RefOr<$crate::input::sent::Schema> {
                let object = $crate::input::sent::ObjectBuilder::new();
                let about = $crate::input::sent::description(&[$($about),*]);
                let object = object.description((!about.is_empty()).then_some(about));
                $(
                    let name = $crate::input::sent::camel_case(stringify!($field));
                    let said = $crate::input::sent::description(&[$($said),*]);
                    let example: Option<$crate::input::sent::Example> = None$(.or(Some($crate::input::sent::example($example))))?;
                    let schema = $crate::input::sent::member_schema::<$member>(&said, example);
                    let object = object.property(name.as_ref(), schema);
                    let object = if <$member as $crate::input::sent::Member>::REQUIRED {
                        object.required(name.as_ref())
                    } else {
                        object
                    };
                )+
                object.build().into()
            }
        }

        impl $crate::input::sent::ToSchema for $name {}
    };
}
