//! A large catalog, made here without a server, and a bound on the work that it takes: not on time, which is the machine's.

use policy::exposure::scan::{Work, measured};
use policy::exposure::snapshot::{
    Contents, Database, FORMAT, Function, Membership, Policy, Reference, Relation, Role, Rule, Schema,
    Snapshot,
};
use policy::exposure::{Question, Report};

const SCHEMAS: u32 = 50;
const GROUPS: u32 = 100;
const FIRST_ROLE: u32 = 20_000;
const FIRST_RELATION: u32 = 1_000_000;

fn role(oid: u32, name: String, login: bool) -> Role {
    Role {
        oid,
        name,
        login,
        inherit: !oid.is_multiple_of(20),
        connection_limit: -1,
        ..Role::default()
    }
}

fn group(number: u32) -> String {
    format!("group_{}", number % GROUPS)
}

fn relation(oid: u32, name: String, kind: &str, schema: u32, reader: u32) -> Relation {
    let owner = 12_000 + schema % 10;
    let by = format!("owner_{}", schema % 10);
    let own = format!("{by}=arwdDxt/{by}");
    Relation {
        oid,
        schema: 16_000 + schema,
        name,
        kind: kind.to_owned(),
        owner,
        acl: Some(vec![own, format!("{}=r/{by}", group(reader))]),
        columns: Some(["id", "name", "county", "born"].map(str::to_owned).to_vec()),
        ..Relation::default()
    }
}

/// Of ten relations two have rights on columns for a person, one row security, one is a view of a view or table, two are a
/// parent's parts; groups are members of groups, five deep.
fn catalog(relations: u32, roles: u32) -> Snapshot {
    let mut all = vec![role(10, "postgres".to_owned(), true)];
    all[0].superuser = true;
    all.extend((0..10).map(|at| role(12_000 + at, format!("owner_{at}"), false)));
    all.extend((0..GROUPS).map(|at| role(14_000 + at, group(at), false)));
    all.extend((0..roles).map(|at| role(FIRST_ROLE + at, format!("person_{at}"), true)));
    let member = |role: u32, member: u32, admin: bool| Membership {
        role,
        member,
        grantor: 10,
        admin,
        inherit: None,
        set: None,
    };
    let mut memberships: Vec<Membership> = (5..GROUPS)
        .map(|at| member(14_000 + at / 3, 14_000 + at, false))
        .collect();
    for at in 0..roles {
        memberships.push(member(14_000 + 30 + at % 70, FIRST_ROLE + at, at % 400 == 7));
        if at % 7 == 0 {
            memberships.push(member(14_000 + at * 31 % GROUPS, FIRST_ROLE + at, false));
        }
    }
    let mut contents = Contents {
        database: "large".to_owned(),
        ..Contents::default()
    };
    contents.schemas = (0..SCHEMAS)
        .map(|at| {
            let by = format!("owner_{}", at % 10);
            let acl = vec![
                format!("{by}=UC/{by}"),
                format!("{}=U/{by}", group(at)),
                format!("{}=U/{by}", group(at % 3)),
            ];
            Schema {
                oid: 16_000 + at,
                name: format!("s{at}"),
                owner: 12_000 + at % 10,
                acl: Some(acl),
            }
        })
        .collect();
    for at in 0..relations {
        let (oid, schema) = (FIRST_RELATION + at, at / 10 % SCHEMAS);
        let kind = match at % 10 {
            7 => "v",
            8 if at % 50 == 8 => "p",
            _ => "r",
        };
        let mut one = relation(oid, format!("t{at}"), kind, schema, at / 10 * 3 + at % 10);
        match at % 10 {
            2 | 3 => {
                let person = format!("person_{}=r/owner_{}", at % roles, schema % 10);
                one.column_acls = Some(vec![("born".to_owned(), vec![person])]);
            }
            4 => {
                one.row_security = true;
                contents.policies.push(Policy {
                    relation: oid,
                    name: "county".to_owned(),
                    command: "r".to_owned(),
                    permissive: true,
                    roles: vec![14_000 + at % GROUPS],
                    condition: Some("(county = 7)".to_owned()),
                });
            }
            7 => {
                let reads = if at % 20 == 17 { oid - 10 } else { oid - 7 };
                contents.rules.push(Rule {
                    relation: oid,
                    name: "_RETURN".to_owned(),
                    event: "1".to_owned(),
                    enabled: true,
                    reads: Some(vec![Reference {
                        relation: reads,
                        columns: Some(vec!["id".to_owned()]),
                    }]),
                    ..Rule::default()
                });
            }
            9 if at >= 58 => contents
                .inherits
                .push((oid, FIRST_RELATION + at / 50 * 50 - 50 + 8)),
            _ => {}
        }
        if at % 100 == 0 {
            contents.functions.push(function(at, schema));
        }
        contents.relations.push(one);
    }
    Snapshot {
        format: FORMAT,
        roles: all,
        memberships,
        databases: vec![Database {
            oid: 1,
            name: "large".to_owned(),
            owner: 10,
            allow_connections: true,
            connection_limit: -1,
            ..Database::default()
        }],
        contents: vec![contents],
        server: policy::exposure::snapshot::Server {
            version: 150_000,
            database: "large".to_owned(),
            ..Default::default()
        },
        ..Snapshot::default()
    }
}

fn function(at: u32, schema: u32) -> Function {
    let by = format!("owner_{}", schema % 10);
    Function {
        oid: 3_000_000 + at,
        schema: 16_000 + schema,
        name: format!("f{at}"),
        kind: "f".to_owned(),
        owner: 12_000 + schema % 10,
        acl: Some(vec![
            format!("{by}=X/{by}"),
            format!("{}=X/{by}", group(at / 100)),
        ]),
        definer: true,
        language: "sql".to_owned(),
        trusted: true,
        config: Some(vec!["search_path=pg_catalog, pg_temp".to_owned()]),
        returns: "text".to_owned(),
        source: Some(format!("SELECT name FROM s{schema}.t{at} WHERE id = 1")),
        ..Function::default()
    }
}

fn scanned(relations: u32, roles: u32) -> (Report, Work) {
    measured(&catalog(relations, roles), &Question::default()).unwrap()
}

/// Ten times the relations and ten times the roles take not much more than ten times the work, where looking at each pair would
/// take a hundred times.
#[test]
fn work_grows_with_relations_and_not_with_pairs() {
    let (_, small) = scanned(2_000, 200);
    let (report, large) = scanned(20_000, 2_000);
    assert_eq!(
        (large.relations, large.roles),
        (report.relation.len(), 2_001),
        "{large:?}"
    );
    let times = large.questions / small.questions;
    assert!(times <= 25, "{small:?}, then {large:?}");
    let pairs = (large.relations * large.roles) as u64;
    assert!(large.questions < pairs / 2, "{large:?}");
    assert!(large.walks < large.relations * 40, "{large:?}");
}

/// An answer about everything is no larger than a person's machine takes, and says that it was cut.
#[test]
fn an_answer_about_everything_is_bounded_and_says_so() {
    let (report, _) = scanned(5_000, 500);
    assert!(report.findings.len() <= policy::exposure::scan::FINDINGS);
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.alike.is_some_and(|alike| alike.roles > 0))
    );
    let pairs: usize = report
        .relation
        .iter()
        .flat_map(|one| one.roles)
        .map(|count| count as usize)
        .sum();
    let of_roles: usize = report
        .roles
        .iter()
        .flat_map(|one| one.relations)
        .map(|count| count as usize)
        .sum();
    assert_eq!(pairs, of_roles, "relations and roles tell the same");
    assert!(report.left_out > 0 && report.left_out < pairs);
    let said = format!("{} pairs", report.left_out);
    assert!(
        report.unseen.iter().any(|unseen| unseen.what.contains(&said)),
        "{:?}",
        report.unseen
    );
}
