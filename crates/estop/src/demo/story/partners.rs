//! Ordinary days: each partner sees what its agreement shares, and is told why when it asks for more.

use tokio_postgres::SimpleQueryMessage;

use crate::demo::cast::{federal_sees, police_sees, telling_incident, university_sees};
use crate::demo::partner::{Login, Refused, Session};
use crate::demo::people::Person;
use crate::demo::report::{Report, Step, grouped};
use crate::demo::stage::Stage;
use crate::failure::Failure;
use policy::estate::Isolation;

/// One row, as names and texts.
pub(super) type Row = Vec<(String, String)>;

/// The same query by each partner: how many rows, and which of them in one incident.
pub(super) async fn queries(stage: &Stage, report: &mut Report) -> Result<(), Failure> {
    let people = &stage.people;
    let Some(group) = telling_incident(people) else {
        return Err(Failure::no(
            "the sample has no incident in which every partner who sees rows sees somebody",
        ));
    };
    let asks = [
        Ask {
            id: "state-police-query",
            who: "state-police",
            sees: police_sees,
            how: "open cases of adults, named",
        },
        Ask {
            id: "university-query",
            who: "university",
            sees: university_sees,
            how: "pseudonyms, initials, age bands, nothing sealed",
        },
        Ask {
            id: "federal-agency-query",
            who: "federal-agency",
            sees: federal_sees,
            how: "adult suspects born abroad",
        },
    ];
    let logins = [
        stage.passwords.police(),
        stage.passwords.university(),
        stage.passwords.federal(),
    ];
    for (ask, login) in asks.iter().zip(&logins) {
        let step = match ask.put(stage, login, people, group).await {
            Ok(step) => step,
            Err(refused) => broken(ask.id, ask.who, &refused),
        };
        report.add(step)?;
    }
    Ok(())
}

struct Ask {
    id: &'static str,
    who: &'static str,
    sees: fn(&Person) -> bool,
    how: &'static str,
}

impl Ask {
    async fn put(
        &self,
        stage: &Stage,
        login: &Login,
        people: &[Person],
        group: &[Person],
    ) -> Result<Step, Refused> {
        let session = stage.gate.connect(login).await?;
        let found = count(&session).await?;
        let incident = group.first().map(|person| person.incident_id).unwrap_or_default();
        let sql = format!("select * from people where incident_id = {incident} order by birth_date");
        let rows = rows(&session, &sql).await?;
        let wanted =
            u64::try_from(people.iter().filter(|person| (self.sees)(person)).count()).unwrap_or(u64::MAX);
        let visible = group.iter().filter(|person| (self.sees)(person)).count();
        let said = format!(
            "sees {} of {} people: {}",
            grouped(found),
            grouped(u64::try_from(people.len()).unwrap_or(u64::MAX)),
            self.how
        );
        let mut step = Step::new(self.id, self.who, said)
            .equal("rows of `people`", &found, &wanted)
            .equal("rows of the incident", &rows.len(), &visible)
            .fact("rows", found)
            .show(format!("{sql};  -- {} of {} rows", rows.len(), group.len()));
        for row in &rows {
            let fields: Vec<_> = row.iter().map(|(_, value)| value.as_str()).collect();
            step = step.show(format!("  {}", fields.join(" | ")));
        }
        Ok(masked(step, self.who, group, &rows))
    }
}

/// Whether the person whom every partner sees is shown as this partner's agreement says.
fn masked(step: Step, who: &str, group: &[Person], rows: &[Row]) -> Step {
    let Some(person) = group.iter().find(|person| police_sees(person)) else {
        return step;
    };
    let initials: Vec<_> = person
        .name
        .split(' ')
        .filter_map(|word| word.chars().next())
        .map(|c| format!("{c}."))
        .collect();
    let (name, shown): (String, fn(&str) -> bool) = match who {
        "state-police" => (person.name.clone(), |birth| birth.ends_with("-01-01")),
        "university" => (initials.join(" "), |birth| {
            birth.len() == 5 && birth.contains('-')
        }),
        _ => (person.name.clone(), |birth| birth.len() == 10),
    };
    let row = rows.iter().find(|row| field(row, "name") == Some(&name));
    let birth = row.and_then(|row| field(row, "birth_date")).unwrap_or_default();
    let number = row.and_then(|row| field(row, "person_id")).unwrap_or_default();
    let told = number == person.person_id.to_string();
    step.must(row.is_some(), format!("a row must be named `{name}`"))
        .must(
            told != (who == "university"),
            format!("`person_id` must be a pseudonym for the university only, and is `{number}`"),
        )
        .must(
            shown(birth),
            format!("`birth_date` must be masked as agreed, and is `{birth}`"),
        )
}

fn field<'r>(row: &'r Row, name: &str) -> Option<&'r str> {
    row.iter()
        .find(|(column, _)| column == name)
        .map(|(_, value)| value.as_str())
}

pub(super) async fn rows(session: &Session, sql: &str) -> Result<Vec<Row>, Refused> {
    let messages = session.client.simple_query(sql).await?;
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            let names = row.columns().iter().map(|column| column.name().to_owned());
            let values = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL").to_owned());
            Some(names.zip(values).collect())
        }
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

/// By the extended protocol, as drivers do.
async fn count(session: &Session) -> Result<u64, Refused> {
    let row = session
        .client
        .query_one("select count(*) from people", &[])
        .await?;
    let found: i64 = row.try_get(0)?;
    Ok(u64::try_from(found).unwrap_or_default())
}

pub(super) fn broken(id: &'static str, who: &'static str, refused: &Refused) -> Step {
    Step::new(id, who, "must be let in").must(
        false,
        format!("refused with {}: {}", refused.sqlstate, refused.message),
    )
}

/// Somebody who must be refused: on connecting, or with a statement.
struct Refusal {
    id: &'static str,
    who: &'static str,
    what: &'static str,
    login: Login,
    statement: Option<&'static str>,
    sqlstate: &'static str,
}

/// No purpose, a wrong one, a wrong case, a column, an agreement, a statement: each with its own code and words.
pub(super) async fn refusals(stage: &Stage, report: &mut Report) -> Result<(), Failure> {
    for refusal in all(stage) {
        let answer = refusal.provoke(stage).await;
        let step = match answer {
            Ok(()) => Step::new(refusal.id, refusal.who, refusal.what)
                .must(false, "it must be refused, and was not"),
            Err(refused) => Step::new(refusal.id, refusal.who, refusal.what)
                .equal("the code", &refused.sqlstate.as_str(), &refusal.sqlstate)
                .show(format!("{} {}", refused.sqlstate, refused.message))
                .fact("refused", serde_json::json!(refused)),
        };
        report.add(step)?;
    }
    Ok(())
}

impl Refusal {
    async fn provoke(&self, stage: &Stage) -> Result<(), Refused> {
        let session = stage.gate.connect(&self.login).await?;
        match self.statement {
            Some(sql) => session
                .client
                .simple_query(sql)
                .await
                .map(drop)
                .map_err(Refused::from),
            None => Ok(()),
        }
    }
}

fn all(stage: &Stage) -> Vec<Refusal> {
    let (police, university, federal, health) = (
        stage.passwords.police(),
        stage.passwords.university(),
        stage.passwords.federal(),
        stage.passwords.health(),
    );
    let connect = |id, who, what, login, sqlstate| Refusal {
        id,
        who,
        what,
        login,
        statement: None,
        sqlstate,
    };
    let ask = |id, who, what, login, sql, sqlstate| Refusal {
        id,
        who,
        what,
        login,
        statement: Some(sql),
        sqlstate,
    };
    // In place there is such a table, and it is closed; in an airlock there is none.
    let no_table = match stage.isolation() {
        Isolation::Airlock => "42P01",
        Isolation::InPlace => "42501",
    };
    vec![
        connect(
            "refused-no-purpose",
            "federal-agency",
            "states no purpose, and has two",
            Login {
                purpose: None,
                ..federal.clone()
            },
            "42501",
        ),
        connect(
            "refused-purpose",
            "state-police",
            "states a purpose that is not its own",
            Login {
                purpose: Some("immigration-enforcement"),
                ..police.clone()
            },
            "42501",
        ),
        connect(
            "refused-case",
            "state-police",
            "gives no case in the agreed form",
            Login {
                case: Some("just-looking"),
                ..police.clone()
            },
            "22023",
        ),
        connect(
            "refused-agreement",
            "university",
            "names another's agreement",
            Login {
                agreement: "federal-2019",
                ..university.clone()
            },
            "28000",
        ),
        ask(
            "refused-column",
            "university",
            "asks for a column that is not shared",
            university.clone(),
            "select country_of_birth from people",
            "42703",
        ),
        ask(
            "refused-table",
            "university",
            "asks for the table behind the view",
            university,
            "select name from records.people",
            no_table,
        ),
        ask(
            "refused-rows",
            "public-health",
            "asks for the rows behind its counts",
            health,
            "select incident_id from incidents",
            "42703",
        ),
        ask(
            "refused-statement",
            "state-police",
            "asks how many rows it does not see (EXPLAIN ANALYZE)",
            police,
            "explain analyze select * from people where person_id = 1",
            "42501",
        ),
    ]
}
