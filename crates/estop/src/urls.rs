//! Whether the URLs of upstreams can be read, before anything is asked of a database.

use policy::estate::{Estate, Files};

use crate::failure::Failure;

/// The file that they stand in.
const MAIN: &str = "estop.toml";

/// Refuses an estate with a URL that cannot be read, with its place. Nothing of the URL is shown: it may hold a password.
pub(crate) fn readable(estate: &Estate, files: &Files) -> Result<(), Failure> {
    for (name, upstream) in estate.upstreams() {
        let url = upstream.url.reveal();
        let Err(error) = url.parse::<tokio_postgres::Config>() else {
            continue;
        };
        let place = files
            .get(MAIN)
            .and_then(|text| place(text, url))
            .unwrap_or_default();
        return Err(Failure::wrong(format!(
            "{MAIN}{place}: the url of upstream `{name}` cannot be read"
        ))
        .because(&error)
        .help("`postgresql://estop_admin@/records?host=/run/postgresql`, or `...@localhost:5432/records`"));
    }
    Ok(())
}

/// `:line:column` of a text within another.
fn place(text: &str, part: &str) -> Option<String> {
    let before = text.get(..text.find(part)?)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(format!(":{line}:{column}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_url_that_cannot_be_read_is_refused_in_its_place_and_not_shown() {
        let with = |url: &str| {
            let text = format!(
                "[custodian]\nname = \"r.example\"\ntitle = \"R\"\ntime_zone = \"UTC\"\n[upstream.main]\nurl = \"{url}\"\n\
                 [gateway]\nlisten = \"127.0.0.1:1\"\ntls_certificate = \"c\"\ntls_key = \"k\"\npublic_name = \"h\"\n\
                 [state]\ndir = \"s\"\n"
            );
            let files = Files::from([(MAIN.to_owned(), text)]);
            readable(&Estate::parse(&files).unwrap(), &files)
        };
        for right in ["postgres://a@/b", "postgresql://a:b@h:5432/c?host=/run"] {
            with(right).unwrap();
        }
        for wrong in [
            "postgres://a:hidden@h:99999/b",
            "postgres://a:hidden@/b?port=x",
            "postgres://a:hidden@/b?foo=1",
        ] {
            let refused = with(wrong).unwrap_err();
            assert_eq!(refused.exit, Exit::Wrong);
            assert!(
                refused.message.starts_with("estop.toml:6:8: "),
                "{}",
                refused.message
            );
            let all = format!("{refused:?}");
            assert!(!all.contains("hidden"), "{all}");
        }
    }
}
