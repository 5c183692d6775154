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
fn numbers_are_no_statements_but_parts_of_names() {
    let dynamic = |text: &str| meaning(text).dynamic;
    for makes in [
        "begin for i in 1..12 loop execute format('create table part_%s (check (m = %s))', i, i); end loop; end",
        "begin for i in reverse n..1 by 2 loop execute 'create table part_' || i || ' ()'; end loop; end",
        "declare y constant integer := 2026; begin execute format('drop table if exists part_%s', y); end",
        "declare n bigint; begin execute format('select count(*) from records.other where a = %L', q) into n; end",
    ] {
        assert_eq!(dynamic(makes), Dynamic::No, "{makes}");
    }
    for reads in [
        "begin for i in 1..12 loop return query execute format('select * from part_%s', i); end loop; end",
        "declare y int; begin return query execute 'select * from part_' || y; end",
    ] {
        assert_eq!(dynamic(reads), Dynamic::Names, "{reads}");
    }
    for runs in [
        "begin for i in select t from told loop execute format('create table part_%s ()', i); end loop; end",
        "declare y text; begin execute format('create table part_%s ()', y); end",
        "declare y int[]; begin execute format('create table part_%s ()', y); end",
        "declare y int; begin declare y text; begin execute format('create table part_%s ()', y); end; end",
        "declare y int; begin execute format('create table part_%s (%s)', y, q); end",
    ] {
        assert_eq!(dynamic(runs), Dynamic::Anything, "{runs}");
    }
    let hidden = "begin for i in 1..2 loop null; end loop; execute format('%s', i); end";
    assert_eq!(meaning_in("plpgsql", hidden, "i text").dynamic, Dynamic::Anything);
    assert_eq!(meaning_in("plpgsql", hidden, "j text").dynamic, Dynamic::No);
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

#[test]
fn names_are_folded_cut_and_unescaped_as_the_server_does() {
    let long = "x".repeat(70);
    assert_eq!(read_names(&format!("select 1 from {long}")), ["x".repeat(63)]);
    assert_eq!(
        read_names("select 1 from records.\u{dc}bersicht"),
        ["records.\u{dc}bersicht"]
    );
    assert_eq!(
        read_names("select 1 from U&\"peo!0070le\" UESCAPE '!'"),
        ["people"]
    );
}

#[test]
fn what_a_text_makes_of_roles_is_seen() {
    let made = |text: &str| meaning(text).remade;
    assert_eq!(made("begin alter role a superuser; end").len(), 1);
    assert_eq!(
        made("begin execute format('alter user %I password %L', u, p); end"),
        [Remade {
            role: None,
            entered: true
        }]
    );
    assert_eq!(made("update pg_catalog.pg_authid set rolsuper = true").len(), 1);
    assert!(made("alter role a set search_path = b; create user mapping for a server b").is_empty());
    assert_eq!(meaning("alter group readers add user a").roles, ["readers"]);
    assert_eq!(meaning("reassign owned by a, b to c").roles, ["a", "b"]);
    assert_eq!(
        meaning("grant select on all tables in schema s to a").schemas,
        ["s"]
    );
    assert_eq!(meaning("grant select on table s.t, u to a").grants.len(), 2);
    assert_eq!(meaning("alter view s.v owner to a").grants.len(), 1);
    assert!(meaning("grant usage on schema s to a").schemas.is_empty());
}

#[test]
fn other_languages_say_statements_in_double_quotes() {
    let read = |language: &str, text: &str| {
        let all = meaning_in(language, text, "").reads;
        all.into_iter().map(|named| named.name).collect::<Vec<_>>()
    };
    assert_eq!(
        read("plperl", "# don't\nspi_exec_query(\"select a from people\");"),
        ["people"]
    );
    let python = "q = \"\"\"\nselect a from people\"\"\"\nplpy.cursor(q)";
    assert_eq!(read("plpython3u", python), ["people"]);
}

#[test]
fn a_variable_that_the_text_makes_itself_is_known() {
    let dynamic = |text: &str| meaning(text).dynamic;
    let made =
        "declare q text; begin q := 'select a from people where b = ' || quote_literal(x); execute q; end";
    assert_eq!(dynamic(made), Dynamic::No);
    assert_eq!(read_names(made), ["people"]);
    let joined = "declare q text := 'select a from pe' || 'ople'; begin execute q; end";
    assert_eq!(dynamic(joined), Dynamic::No);
    assert!(read_names(joined).contains(&"people".to_owned()));
    assert_eq!(
        dynamic("declare q text; begin q := 'select ' || x; q := q || ' limit 1'; execute q; end"),
        Dynamic::Anything
    );
    // An argument is its caller's, whatever is put behind it; so is what a row holds.
    assert_eq!(
        dynamic("begin q := q || ' limit 1'; execute q; end"),
        Dynamic::Anything
    );
    assert_eq!(
        dynamic("declare q text := ''; begin select s into q from statements; execute q; end"),
        Dynamic::Anything
    );
}

#[test]
fn a_name_that_is_put_in_is_read_only_where_the_statement_reads() {
    let dynamic = |format: &str| meaning(&format!("begin execute format('{format}', a, b); end")).dynamic;
    assert_eq!(dynamic("select count(*) from %I"), Dynamic::Names);
    assert_eq!(
        dynamic("create table w.%I partition of w.p for values from (%L) to (%L)"),
        Dynamic::No
    );
    assert_eq!(dynamic("select x from people where y = %L"), Dynamic::No);
    assert_eq!(dynamic("insert into %I select $1.*"), Dynamic::Names);
    assert_eq!(dynamic("analyze %s"), Dynamic::Anything);
}

#[test]
fn what_a_text_opens_and_to_whom_is_seen() {
    let opens = |text: &str| meaning(text).opens;
    let named = |name: &str| Named {
        schema: Some("s".to_owned()),
        name: name.to_owned(),
    };
    assert_eq!(
        opens("alter table only s.t disable row level security"),
        [Opens::Rows(named("t"))]
    );
    assert_eq!(
        opens("create policy p on s.t using (true)"),
        [Opens::Rows(named("t"))]
    );
    assert_eq!(
        opens("alter table if exists s.t set schema u"),
        [Opens::Moves(named("t"))]
    );
    assert_eq!(
        opens("alter table s.p attach partition s.t default"),
        [Opens::Joins(named("t"), named("p"))]
    );
    assert_eq!(
        opens("grant usage on schema a, b to c"),
        [Opens::Usage("a".to_owned()), Opens::Usage("b".to_owned())]
    );
    assert!(opens("alter table s.t no inherit s.p; alter table s.t add column a int").is_empty());
    let to = |text: &str| (meaning(text).to, meaning(text).to_any);
    assert_eq!(
        to("grant select on t to a, b"),
        (vec!["a".to_owned(), "b".to_owned()], false)
    );
    assert!(to("grant select on t to public").1 && to("begin execute format('grant r to %I', a); end").1);
}

#[test]
fn messages_that_name_arguments_say_nothing_that_was_read() {
    let tells = |text: &str| meaning_in("plpgsql", text, "p_id integer, OUT b text").tells;
    assert!(!tells(
        "begin if not found then raise exception 'no person %', p_id; end if; end"
    ));
    assert!(tells("begin raise notice '%', n; end"));
    assert!(tells("begin raise notice '%', b; end"));
    assert!(tells(
        "begin select name into p_id from people; raise notice '%', p_id; end"
    ));
    assert!(tells(
        "begin raise notice using message = 'x', hint = (select name from people); end"
    ));
    assert!(tells(
        "declare c refcursor; begin open c for select name from people; end"
    ));
    assert!(!tells(
        "begin open c for select name from people; fetch c into n; close c; end"
    ));
}
