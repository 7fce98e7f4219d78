//! What keys there are: their sections, names and meanings, in the order of the documentation.
//! One macro makes struct, default and description of a section, so that none can be forgotten.
//! Must not read files or the environment.

/// One section of the configuration, without its values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    /// Dotted path, for instance `metrics.service`.
    pub path: &'static str,
    /// What the section is for, one line or more.
    pub about: &'static str,
    pub shape: Shape,
}

/// What may stand in a section.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Fixed keys.
    Keys(&'static [Key]),
    /// Tables under free names, each with these keys.
    Tables(&'static [Key]),
    /// Single values under free names.
    Values,
}

/// A fixed key: its name and its meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub name: &'static str,
    pub about: &'static str,
}

/// What a path of names stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// A table that holds further names.
    Section,
    /// A value.
    Leaf,
    /// Nothing that wsdash knows.
    Unknown,
}

/// A section as a struct: every field with its documentation and its default.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $(#[serde($($serde:tt)*)])?
                $key:ident: $type:ty = $default:expr;
            )*
        }
        $(tables { $( $(#[doc = $tdoc:literal])* $tkey:ident: $ttype:ty; )* })?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $(
                $(#[doc = $doc])*
                $(#[serde($($serde)*)])?
                pub $key: $type,
            )*
            $($( $(#[doc = $tdoc])* pub $tkey: $ttype, )*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($key: $default,)*
                    $($($tkey: <$ttype>::default(),)*)?
                }
            }
        }

        impl $name {
            pub(super) const ABOUT: &'static str = concat!($($about, "\n",)*);
            pub(super) const KEYS: &'static [$crate::config::schema::Key] = &[
                $($crate::config::schema::Key {
                    name: stringify!($key),
                    about: concat!($($doc, "\n",)*),
                },)*
            ];
        }
    };
}
pub(super) use section;

/// What `path` stands for in `sections`.
pub(super) fn node(sections: &[Section], path: &[&str]) -> Node {
    for section in sections {
        let names: Vec<&str> = section.path.split('.').collect();
        if names.starts_with(path) {
            return Node::Section;
        }
        let Some(rest) = path.strip_prefix(names.as_slice()) else {
            continue;
        };
        let found = match (section.shape, rest) {
            (Shape::Keys(keys), [name]) => keys.iter().any(|key| key.name == *name),
            (Shape::Tables(_), [_]) => return Node::Section,
            (Shape::Tables(keys), [_, name]) => keys.iter().any(|key| key.name == *name),
            (Shape::Values, [_]) => true,
            _ => false,
        };
        if found {
            return Node::Leaf;
        }
    }
    Node::Unknown
}

/// The names that may stand where the last name of `path` stands.
pub(super) fn siblings(sections: &[Section], path: &[&str]) -> Vec<&'static str> {
    let Some((_, parent)) = path.split_last() else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for section in sections {
        let section_names: Vec<&'static str> = section.path.split('.').collect();
        if section_names.len() > parent.len() && section_names.starts_with(parent) {
            names.push(section_names[parent.len()]);
        }
        match (section.shape, parent.strip_prefix(section_names.as_slice())) {
            (Shape::Keys(keys), Some([])) | (Shape::Tables(keys), Some([_])) => {
                names.extend(keys.iter().map(|key| key.name));
            }
            _ => {}
        }
    }
    names
}

/// The name among `known` that is nearest to `name`, if one is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            let distance = strsim::jaro_winkler(&wanted, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Doc lines as plain text: one leading blank of each line is the comment's own.
pub(super) fn lines(about: &str) -> impl Iterator<Item = &str> {
    about
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
}
