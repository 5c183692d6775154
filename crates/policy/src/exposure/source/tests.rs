//! Texts and what they mean.

use super::*;

fn read_names(text: &str) -> Vec<String> {
    let named = |named: Named| {
        named
            .schema
            .map_or(named.name.clone(), |schema| format!("{schema}.{}", named.name))
    };
    meaning(text).reads.into_iter().map(named).collect()
}

#[test]
fn relations_are_read_where_they_stand() {
    assert_eq!(
        read_names("select * from records.people p, \"Odd Name\" join public.X on true"),
        ["records.people", "Odd Name", "public.x"]
    );
    assert_eq!(
        read_names("begin return query select a from t where b in (select c from s.u); end"),
        ["t", "s.u"]
    );
    assert_eq!(
        read_names("-- from people\n/* from /* people */ */ select 'from people'"),
        [""; 0]
    );
    assert_eq!(read_names("insert into log select x from people"), ["people"]);
    assert_eq!(
        read_names("delete from people; update people set x = 1; insert into people values (1)"),
        [""; 0]
    );
    assert_eq!(read_names("declare r records.people%rowtype; begin end"), [""; 0]);
}

#[test]
fn strings_count_where_they_are_run() {
    assert_eq!(
        read_names("begin execute 'select * from records.people'; end"),
        ["records.people"]
    );
    assert_eq!(meaning("begin execute 'select 1'; end").dynamic, Dynamic::No);
    assert_eq!(meaning("begin execute q; end").dynamic, Dynamic::Anything);
    assert_eq!(
        meaning("begin return query execute format('select * from %I', t); end").dynamic,
        Dynamic::Names
    );
    assert_eq!(
        meaning("begin execute format('select %s', t) into x; end").dynamic,
        Dynamic::Anything
    );
    assert_eq!(
        meaning("begin execute 'select * from ' || quote_ident(t); end").dynamic,
        Dynamic::Names
    );
    assert_eq!(
        meaning("begin execute 'select * from ' || t; end").dynamic,
        Dynamic::Anything
    );
    assert_eq!(
        meaning("select query_to_xml(q, true, true, '')").dynamic,
        Dynamic::Anything
    );
    assert_eq!(
        meaning("select query_to_xml('select 1', true, true, '')").dynamic,
        Dynamic::No
    );
}

#[test]
fn counts_are_told_from_rows() {
    assert!(meaning("select count(*) from people").counts);
    assert!(meaning("begin return exists (select 1 from people where a = b); end").counts);
    assert!(!meaning("select name from people").counts);
    assert!(!meaning("select count(*), county from people group by county").counts);
}

#[test]
fn ways_out_are_seen() {
    assert!(meaning("begin raise notice '%', x; end").tells);
    assert!(meaning("select pg_notify('c', name) from people").tells);
    assert!(meaning("begin new.note := (select x from y); return new; end").changes_new);
    assert!(
        meaning("insert into log select * from people")
            .writes
            .iter()
            .any(|named| named.name == "log")
    );
}
