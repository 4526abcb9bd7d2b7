/// A field that was read: its value, or nothing where a fault of it was recorded.
#[must_use = "a field's value comes out of `Input::finish`"]
pub struct Field<T>(Option<T>);

impl<T> Field<T> {
    pub(super) fn value(value: T) -> Self {
        Self(Some(value))
    }

    /// Only where a fault was recorded.
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn into_option(self) -> Option<T> {
        self.0
    }

    /// The value, for a check that looks at several fields. What such a check finds goes to `Input::fault`.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Field<U> {
        Field(self.0.map(convert))
    }

    /// Several fields as one, with a value where all have theirs.
    pub fn all<F: Fields<Values = T>>(fields: F) -> Self {
        Self(fields.values())
    }
}

impl<T> Field<Option<T>> {
    /// The value of an optional field, or what stands for it where it was left out.
    pub fn or_default(self, default: T) -> Field<T> {
        self.map(|value| value.unwrap_or(default))
    }
}

/// A tuple of fields.
pub trait Fields {
    /// The tuple of their values.
    type Values;

    fn values(self) -> Option<Self::Values>;
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {
        $(
            #[allow(non_snake_case, reason = "the fields are named after their types")]
            impl<$($name),+> Fields for ($(Field<$name>,)+) {
                type Values = ($($name,)+);

                fn values(self) -> Option<Self::Values> {
                    let ($($name,)+) = self;
                    Some(($($name.into_option()?,)+))
                }
            }
        )+
    };
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}
