//! Texts in pages.

/// A text as it stands in a page, between tags or in the quotes of an attribute: nothing in it can be a tag.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
