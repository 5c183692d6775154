//! `estop check --database`: what each upstream's database leaves open beside the shares, and how it is closed.

use control::{Admin, Audited, ControlError};
use policy::audit::{By, Grade, Item};
use policy::desired::Desired;
use policy::estate::{Estate, Isolation};
use policy::harden::Reach;

use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};

/// Looks at the databases of an estate, or at one by another URL.
///
/// # Errors
/// The call does not say which database is meant, or one cannot be reached.
pub(super) async fn look(
    estate: &Estate,
    url: Option<&str>,
    admin_role: Option<&str>,
) -> Result<Vec<Audited>, Failure> {
    let upstreams = estate.upstreams();
    let mut audited = Vec::new();
    if let Some(url) = url
        && upstreams.len() != 1
    {
        let names: Vec<_> = upstreams.keys().map(|name| format!("`{name}`")).collect();
        return Err(Failure::wrong(format!(
            "`--url {}` does not say which upstream it stands for",
            without_password(url)
        ))
        .help(format!(
            "the estate has {}; leave --url out, and all are looked at",
            names.join(", ")
        )));
    }
    for (name, upstream) in upstreams {
        let admin = Admin::new(name, url.unwrap_or(upstream.url.reveal())).map_err(|error| failed(&error))?;
        let desired = Desired::new(estate, name, &[]);
        let told = admin.audit(&desired, admin_role).await;
        let told = told.map_err(|error| failed(&error))?;
        if admin_role.is_some() && told.admin_script.is_none() {
            return Err(Failure::wrong(format!(
                "upstream `{name}` is PostgreSQL {}, which needs a superuser as admin",
                told.version / 10_000
            ))
            .help("from PostgreSQL 15 on a role with less rights will do"));
        }
        audited.push(told);
    }
    Ok(audited)
}

fn failed(error: &ControlError) -> Failure {
    let exit = match error.class() {
        control::Class::No => Exit::No,
        control::Class::Wrong => Exit::Wrong,
        control::Class::Missing => Exit::Absent,
    };
    Failure::from_error(exit, error).help(error.remedy())
}

/// A URL without what stands between its user and its host.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://...@{host}"),
        _ => "...".to_owned(),
    }
}

/// Says it to a person. Whether something critical is open.
///
/// # Errors
/// Standard output cannot be written to.
pub(super) fn say(audited: &[Audited], console: Console) -> Result<bool, Failure> {
    let mut critical = false;
    for one in audited {
        let major = one.version / 10_000;
        console.line(console.paint(
            Tone::Strong,
            format!(
                "upstream {} ({}): database {}, PostgreSQL {major}, as {}",
                one.upstream,
                match one.isolation {
                    Isolation::Airlock => "airlock",
                    Isolation::InPlace => "in place",
                },
                one.database,
                one.user
            ),
        ))?;
        if !one.superuser {
            console.line(format!(
                "  {}: `{}` is no superuser: pg_hba.conf and some rights of system objects cannot be seen or closed as it",
                console.paint(Tone::Notice, "note"),
                one.user
            ))?;
        }
        for item in &one.items {
            say_item(item, console)?;
        }
        let worst = |grade| one.items.iter().filter(|item| item.grade == grade).count();
        let open = worst(Grade::Critical);
        critical |= open > 0;
        let counts = format!(
            "{open} critical, {} high, {} medium",
            worst(Grade::High),
            worst(Grade::Medium)
        );
        let own = one.items.iter().filter(|item| item.by == By::Custodian).count();
        console.line(match (open, own) {
            (0, 0) if one.items.is_empty() => console.paint(Tone::Good, "nothing stands open"),
            (0, own) => {
                format!("{counts}; {own} are the custodian's to close, and nothing critical stands open")
            }
            (_, own) => format!(
                "{}: {counts}; {own} are the custodian's to close, the others `estop apply` closes",
                console.paint(Tone::Bad, "open")
            ),
        })?;
        if let Some(script) = &one.admin_script {
            let title = "the admin role, as a script for psql that a superuser runs once:";
            console.line(console.paint(Tone::Strong, title))?;
            console.line(script.trim_end())?;
        }
        if !one.script.is_empty() {
            console.line(console.paint(Tone::Strong, "the custodian's part, as a script for psql:"))?;
            console.line(one.script.trim_end())?;
        }
    }
    Ok(critical)
}

fn say_item(item: &Item, console: Console) -> Result<(), Failure> {
    let (word, tone) = match (item.grade, item.reach) {
        (Grade::Critical, Reach::Both) => ("CRITICAL in both isolations", Tone::Bad),
        (Grade::Critical, Reach::InPlace) => ("CRITICAL in place", Tone::Bad),
        (Grade::High, _) => ("high", Tone::Notice),
        (Grade::Medium, _) => ("medium", Tone::Quiet),
    };
    let by = match item.by {
        By::Custodian => "",
        By::Apply => " [`estop apply` closes it]",
    };
    console.line(format!(
        "  {}: {}: {}{by}",
        console.paint(tone, word),
        item.what,
        item.opens
    ))?;
    console.line(console.paint(Tone::Quiet, format!("      breaks: {}", item.breaks)))?;
    if item.by == By::Custodian {
        for line in item
            .close
            .iter()
            .map(|sql| format!("{sql};"))
            .chain(item.rules.iter().map(|l| format!("pg_hba.conf: {l}")))
        {
            console.line(console.paint(Tone::Quiet, format!("      {line}")))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let url = "postgresql://admin:p@ss@db.internal:5432/records?host=/run";
        assert_eq!(
            without_password(url),
            "postgresql://...@db.internal:5432/records?host=/run"
        );
        assert_eq!(without_password("host=/run password=secret"), "...");
    }
}
