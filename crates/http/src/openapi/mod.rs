//! The OpenAPI 3.1 document of the API, made from the route table.
//!
//! An [`Endpoint`] gives method, path, access and layers; its [`Doc`] adds parameters, shapes and refusals. Shapes
//! come from the serialised types, by `utoipa`. The tests check every answer of the running product against the
//! document.
//!
//! [`Endpoint`]: crate::endpoint::Endpoint

mod assemble;
mod examples;
mod general;
pub mod schemas;

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::error::Code;

pub use assemble::document;

/// What an endpoint's own file says of it.
pub struct Doc {
    summary: &'static str,
    about: &'static str,
    parameters: Vec<Value>,
    body: Option<Content>,
    answers: Vec<Answer>,
    refuses: Vec<Code>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

struct Content {
    media_type: &'static str,
    schema: Value,
}

struct Answer {
    status: u16,
    description: &'static str,
    content: Option<Content>,
    headers: Vec<(&'static str, &'static str)>,
}

impl Doc {
    /// `summary`: what the call does, in a few words.
    pub fn new(summary: &'static str) -> Self {
        Self {
            summary,
            about: "",
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            refuses: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// What a caller has to know beyond that.
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// A parameter of the path. `schema` has an `example`.
    pub fn path(mut self, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": description, "schema": schema
        }));
        self
    }

    /// A query parameter that may be left out.
    pub fn query(mut self, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "query", "required": false, "description": description, "schema": schema
        }));
        self
    }

    pub fn required_query(mut self, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "query", "required": true, "description": description, "schema": schema
        }));
        self
    }

    /// A header that may be left out.
    pub fn header(mut self, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "header", "required": false, "description": description, "schema": schema
        }));
        self
    }

    /// The parameters of every list.
    pub fn paged(self) -> Self {
        self.query(
            "limit",
            "The number of items on the page.",
            json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 20, "example": 20}),
        )
        .query(
            "cursor",
            "The `nextCursor` of the previous page. It stays valid while rows are added.",
            json!({"type": "string"}),
        )
    }

    /// Honours an `Idempotency-Key`.
    pub fn idempotent(self) -> Self {
        self.header(
            "Idempotency-Key",
            "Makes the call repeatable for 24 hours: the same key with the same body gets the first answer again, \
             byte for byte, with `idempotency-replayed: true`. An answer with a 5xx status is not saved.",
            json!({"type": "string", "pattern": "^[!-~]{1,255}$", "example": "cart-81"}),
        )
        .refuses(&[Code::IDEMPOTENCY_IN_PROGRESS, Code::IDEMPOTENCY_KEY_REUSED])
    }

    /// The JSON object that is sent.
    pub fn body<T: ToSchema>(mut self) -> Self {
        let schema = self.reference::<T>();
        self.body = Some(Content { media_type: "application/json", schema });
        self
    }

    /// A body that is no JSON of ours.
    pub fn raw_body(mut self, media_type: &'static str, schema: Value) -> Self {
        self.body = Some(Content { media_type, schema });
        self
    }

    /// An answer of JSON.
    pub fn answers<T: ToSchema>(mut self, status: u16, description: &'static str) -> Self {
        let schema = self.reference::<T>();
        let content = Some(Content { media_type: "application/json", schema });
        self.answers.push(Answer { status, description, content, headers: Vec::new() });
        self
    }

    /// An answer of something else.
    pub fn answers_raw(
        mut self,
        status: u16,
        description: &'static str,
        media_type: &'static str,
        schema: Value,
    ) -> Self {
        let content = Some(Content { media_type, schema });
        self.answers.push(Answer { status, description, content, headers: Vec::new() });
        self
    }

    /// An answer without a body.
    pub fn answers_nothing(mut self, status: u16, description: &'static str) -> Self {
        self.answers.push(Answer { status, description, content: None, headers: Vec::new() });
        self
    }

    /// A header of the answer named last.
    pub fn with_header(mut self, name: &'static str, description: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, description));
        }
        self
    }

    /// The session's cookie comes with the answer named last.
    pub fn with_cookie(self) -> Self {
        self.with_header("set-cookie", "The cookie `session`: HttpOnly, Path=/.")
    }

    /// The codes that this endpoint refuses with, beyond those of every such endpoint.
    pub fn refuses(mut self, codes: &[Code]) -> Self {
        self.refuses.extend_from_slice(codes);
        self
    }

    /// Notes a type's schema and those within it; gives a reference to it.
    fn reference<T: ToSchema>(&mut self) -> Value {
        let name = T::name().into_owned();
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        self.schemas.push((name, <T as PartialSchema>::schema()));
        T::schemas(&mut self.schemas);
        reference
    }
}

/// The schema of a list's page of `T`.
pub struct PageOf<T>(std::marker::PhantomData<T>);

impl<T: ToSchema> PartialSchema for PageOf<T> {
    fn schema() -> RefOr<Schema> {
        use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
        let item = utoipa::openapi::Ref::from_schema_name(T::name());
        RefOr::T(Schema::Object(
            ObjectBuilder::new()
                .property("items", ArrayBuilder::new().items(item).build())
                .property(
                    "nextCursor",
                    ObjectBuilder::new()
                        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                        .description(Some("Null on the last page.")),
                )
                .build(),
        ))
    }
}

impl<T: ToSchema> ToSchema for PageOf<T> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("PageOf{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}
