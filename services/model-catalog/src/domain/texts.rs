//! Enums that are texts outside: in JSON, in the database and in what the proxies are told.

/// Declares one. The text is taken as a token: as a `literal` it would be hidden from the schema, which would then list
/// the names of the variants.
macro_rules! texts {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:tt,)* }) => {
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        $(#[$meta])*
        pub enum $name { $(#[serde(rename = $text)] $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    };
}
pub(crate) use texts;
