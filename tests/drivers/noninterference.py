"""Two databases that differ only in what a partner may not see must give the same answers, byte for byte.

usage: noninterference.py twins SEED      prints {"a": SQL, "b": SQL, "generator": SQL, "constants": {...}}
       noninterference.py compare         reads {"a": CONNINFO, "b": CONNINFO, "constants": {...}, "seed": N, "pairs": N,
                                          "sqlsmith": [QUERY...]} and prints what came of it

Compared are rows with their types and names, their order, command tags, notices, and every field of an error. The hand-written
grammar draws its constants from the hidden cells of both databases: names of people who are not shared, true dates behind a mask,
values of columns that nobody shares.
"""

import json
import random
import re
import sys

from psycopg import pq

VISIBLE, HIDDEN = 260, {"a": 140, "b": 220}
CITIES = ["Aurora", "Berwyn", "Cicero", "Dolton", "Elgin"]
# A city of hidden rows. Only one of the two is well-formed XML, and to parse it is cheaper than the view's condition: without a barrier
# it is done first.
TELLTALE = {"a": "Zion<", "b": "Zion>"}
KINDS = ["call", "stop", "report"]

# What two databases cannot agree on, or what no two moments do: clocks, numbers of processes and transactions, chance.
UNSTABLE = re.compile(
    r"random|clock_timestamp|_timestamp\b|timeofday|\bnow\b|current_time|current_date|localtime|pg_backend_pid|txid|xact|snapshot|_lsn"
    r"|pg_postmaster|pg_conf_load|gen_random|inet_client_port|pg_is_in|pg_control|age\(|\bversion\(|setseed|nextval|currval|lastval"
    r"|relation_size|pg_size|pg_stat|pg_ls|relpages|reltuples|pg_class|pg_statistic|tablesample|uuid|\boid\b|tableoid|ctid|xmin|pg_node",
    re.IGNORECASE)


# --- the twins ---

def word(rng, first, length=6):
    return first + "".join(rng.choice("aeiounrstl") for _ in range(length))


def quoted(value):
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def values(rows):
    return ",\n".join("(" + ",".join(quoted(cell) for cell in row) + ")" for row in rows)


def twin(which, seed):
    """The rows of one twin. `open_` is the same for both; `own` is the twin's."""
    open_, own = random.Random(seed), random.Random(f"{seed}{which}")
    shown_people, shown_visits, hidden = [], [], {"people": [], "visits": []}
    for i in range(VISIBLE):
        first, last = open_.choice("ABCDEFGH"), open_.choice("KLMNOP")
        year, city, weight = open_.randint(1950, 2004), open_.choice(CITIES), open_.randint(40, 120)
        birth = f"{year}-{own.randint(1, 12):02}-{own.randint(1, 28):02}"
        # Shared, with other letters behind the same initials and another day in the same year.
        shown_people.append((1000 + 3 * i, f"{word(own, first)} {word(own, last)}", birth, "open", "f", city, weight,
                             f"{own.randint(100, 999)}-{own.randint(10, 99)}", word(own, "n", own.randint(3, 30))))
        shown_visits.append((5000 + 2 * i, 1000 + 3 * open_.randrange(VISIBLE), f"2024-{open_.randint(1, 12):02}-{open_.randint(1, 28):02}",
                             open_.choice(["Pol", "Tra", "Cou"]) + word(own, own.choice("wxyz"), own.randint(2, 9)), open_.choice(KINDS), open_.randint(0, 9)))
    for i in range(HIDDEN[which]):
        status, juvenile = own.choice([("sealed", "f"), ("open", "t"), ("closed", "t")])
        hidden["people"].append((1001 + 3 * own.randrange(VISIBLE * 2) + (1 if which == "b" else 0), f"{word(own, 'Z')} {word(own, 'Q')}",
                                 f"{own.randint(1930, 2015)}-{own.randint(1, 12):02}-{own.randint(1, 28):02}", status, juvenile,
                                 own.choice(CITIES + [TELLTALE[which]]), own.randint(1, 400), f"{own.randint(100, 999)}-{own.randint(10, 99)}", word(own, "h")))
        hidden["visits"].append((5001 + 2 * own.randrange(VISIBLE * 2), own.randint(900, 2500), f"20{own.randint(10, 26)}-01-01",
                                 word(own, "Q"), "sealed", own.randint(10, 99)))
    hidden = {table: list({row[0]: row for row in rows}.values()) for table, rows in hidden.items()}
    people, visits = interleave(own, shown_people, hidden["people"]), interleave(own, shown_visits, hidden["visits"])
    return people, visits, shown_people, hidden, own


def interleave(rng, shown, hidden):
    """The shown rows in their order, the hidden ones between them."""
    places = sorted(rng.randrange(len(shown) + 1) for _ in hidden)
    rows, taken = [], 0
    for i, row in enumerate(shown):
        while taken < len(places) and places[taken] <= i:
            rows.append(hidden[taken])
            taken += 1
        rows.append(row)
    return rows + hidden[taken:]


TABLES = """
revoke create on schema public from public;
create schema records;
create table records.people (person_id bigint primary key, name text not null, birth_date date not null, status text not null,
  juvenile boolean not null, city text not null, weight integer not null, ssn text not null, note text);
create index on records.people (name); create index on records.people (birth_date); create index on records.people (city, weight);
create index on records.people (ssn); create index on records.people (status);
create table records.visits (visit_id bigint primary key, person_id bigint not null, day date not null, place text not null,
  kind text not null, score integer not null);
create index on records.visits (person_id); create index on records.visits (day); create index on records.visits (place);
create table records.informants (name text primary key, handler text);
"""

GENERATOR = """
create view people as select null::bigint as person_id, null::text as name, null::date as birth_date, null::text as city,
  null::integer as weight, null::text as note;
create view visits as select null::bigint as visit_id, null::bigint as person_id, null::date as day, null::text as place,
  null::text as kind, null::integer as score;
"""


def twins(seed):
    document = {"generator": GENERATOR, "constants": {}}
    drawn = {"person_id": set(), "name": set(), "birth_date": set(), "city": set(), "weight": set(), "ssn": set(), "place": set(),
             "visit_id": set(), "day": set(), "score": set(), "note": set()}
    for which in ("a", "b"):
        people, visits, shown, hidden, own = twin(which, seed)
        informants = [(word(own, "I"), word(own, "H")) for _ in range(20 if which == "a" else 45)]
        document[which] = TABLES + "".join(
            f"insert into records.{table} values {values(rows)};\n"
            for table, rows in (("people", people), ("visits", visits), ("informants", informants))) + "analyze;"
        # Constants: what only hidden rows have, what stands behind masks, and some of what is shown.
        rng = random.Random(f"{seed}{which}c")
        for row in rng.sample(hidden["people"], 25) + rng.sample(shown, 12):
            for name, cell in zip(("person_id", "name", "birth_date", "status", "juvenile", "city", "weight", "ssn", "note"), row):
                drawn.get(name, set()).add(cell)
        for row in rng.sample(hidden["visits"], 25) + rng.sample(visits, 12):
            for name, cell in zip(("visit_id", "person_id", "day", "place", "kind", "score"), row):
                drawn.get(name, set()).add(cell)
    document["constants"] = {name: sorted(cells) for name, cells in drawn.items()}
    return document


# --- the grammar ---

TEXTS, NUMBERS = ["name", "city", "note"], ["person_id", "weight"]


class Grammar:
    def __init__(self, seed, constants):
        self.rng, self.constants = random.Random(seed), constants

    def pick(self, *choices):
        return self.rng.choice(choices)

    def constant(self, column):
        return quoted(self.rng.choice(self.constants[column]))

    def comparison(self):
        return self.pick("=", "<>", "<", "<=", ">", ">=", "is distinct from", "operator(pg_catalog.=)", "operator(pg_catalog.<)")

    def predicate(self, p="p", depth=2):
        if depth and self.rng.random() < 0.35:
            joined = f" {self.pick('and', 'or')} "
            return "(" + joined.join(self.predicate(p, depth - 1) for _ in range(2)) + ")"
        text, number = self.pick(*TEXTS), self.pick(*NUMBERS)
        return self.pick(
            f"{p}.{text} {self.comparison()} {self.constant(text)}",
            f"{p}.{number} {self.comparison()} {self.constant(number)}",
            f"{p}.birth_date {self.comparison()} {self.constant('birth_date')}",
            f"{p}.birth_date between {self.constant('birth_date')} and {self.constant('birth_date')}",
            f"{p}.{number} in ({self.constant(number)}, {self.constant(number)}, {self.constant(number)})",
            f"{p}.{number} = any (array[{self.constant(number)}, {self.constant(number)}]::bigint[])",
            f"{p}.name = {self.constant('ssn')}",
            f"{p}.{text} like {self.constant(text)} || '%'",
            f"{p}.{text} ~ ('^' || left({self.constant(text)}, 2))",
            f"starts_with({p}.{text}, left({self.constant(text)}, 3))",
            # Each fails on a row that it is evaluated on, if the row has the value.
            f"1 / ({p}.{number} - {self.constant(number)}) is not null",
            f"({p}.{text} || case when {p}.{text} = {self.constant(text)} then 'x' else '1' end)::text > ''",
            f"case when {p}.{number} = {self.constant(number)} then ({p}.name)::int > 0 else true end",
            f"nullif({p}.name, {self.constant('name')})::xml is not null",
            f"xmlparse(content {p}.city) is {self.pick('null', 'not null')}",
            f"({p}.name || {self.constant('name')})::json is null",
            f"pg_catalog.int8div({p}.person_id, {p}.person_id - {self.constant('person_id')}) > 0",
            f"not exists (select from visits v where v.person_id = {p}.person_id and v.place = {self.constant('place')})",
            f"exists (select from visits v where v.person_id = {p}.person_id and v.day {self.comparison()} {self.constant('day')})",
            f"{p}.person_id in (select v.person_id from visits v where v.score > {self.constant('score')})",
            f"({p}.city, {p}.weight) {self.pick('=', '<', '>=')} ({self.constant('city')}, {self.constant('weight')})",
            f"width_bucket({p}.weight, 1, {self.constant('weight')}::int + 1, 5) > 2",
            f"substr({p}.name, {p}.weight - {self.constant('weight')}::int) <> ''",
        )

    def where(self):
        return self.predicate()

    def query(self):
        where, text, number = self.where(), self.pick(*TEXTS), self.pick(*NUMBERS)
        return self.pick(
            f"select * from people p where {where}",
            f"select count(*), min({number}), max({number}), sum(weight) from people p where {where}",
            f"select exists (select from people p where {where})",
            f"select {text}, count(*) from people p where {where} group by 1 order by 2 desc, 1",
            f"select city, status_of, count(*) from (select city, case when {where} then 1 else 0 end as status_of from people p) s group by cube (1, 2) order by 1, 2, 3",
            f"select p.name, v.place from people p join visits v using (person_id) where {where} order by v.visit_id limit 20",
            f"select p.person_id, v.n from people p cross join lateral (select count(*) n from visits v where v.person_id = p.person_id and v.score < {self.constant('score')}) v where {where} order by 1 limit 20",
            f"select person_id, row_number() over (partition by city order by weight, person_id), lag(name) over (order by person_id) from people p where {where} order by 1",
            f"with recursive r(n) as (select min(person_id) from people p where {where} union select n + 3 from r where n < {self.constant('person_id')}) select count(*), max(n) from r",
            f"with m as materialized (select * from people p where {where}) select count(*) from m where {number} {self.comparison()} {self.constant(number)}",
            f"select distinct on (city) city, name, weight from people p where {where} order by city, weight, person_id",
            f"select string_agg(name, ',' order by person_id), array_agg(weight order by person_id) from people p where {where}",
            f"select person_id from people p where {where} order by {number} {self.pick('desc', 'asc')}, person_id offset {self.rng.randrange(20)} limit 5",
            f"select v.visit_id from visits v left join people p on p.person_id = v.person_id and {where} where p.person_id is null order by 1",
            f"select count(*) from people p, people q where p.weight = q.weight and {where} and {self.predicate('q')}",
            f"select person_id from people p where {where} {self.pick('union', 'except', 'intersect')} select person_id from visits where place > {self.constant('place')} order by 1",
            f"copy (select * from people p where {where} order by person_id) to stdout (format {self.pick('csv', 'text', 'binary')})",
            f"select (name)::{self.pick('int', 'date', 'inet', 'xml', 'json', 'regclass', 'regrole', 'int4range', 'uuid', 'interval')} from people p where {where}",
            f"select max(1 / nullif(weight - {self.constant('weight')}::int, 0)), avg(weight) from people p where {where}",
            f"select percentile_disc(0.5) within group (order by weight), mode() within group (order by city) from people p where {where}",
            f"begin; declare c scroll cursor for select * from people p where {where} order by person_id; fetch last from c; fetch backward 3 from c; move first from c; fetch 2 from c; commit",
            f"prepare q(bigint) as select name from people p where person_id = $1 or {where}; execute q({self.constant('person_id')}); deallocate all",
            f"select to_jsonb(p) - 'note' from people p where {where} order by person_id limit 7",
            f"table visits order by {self.pick('score, visit_id', 'place, visit_id', 'visit_id')} limit {self.rng.randrange(50)}",
            f"select 1; select * from people p where {where} limit 3; select 1 / 0; select 2",
            # Refused, in the same words.
            f"explain (analyze, costs) select * from people p where {where}",
            f"select * from pg_stat_xact_user_tables where relname = 'people'",
            f"select count(*) from records.people where ssn = {self.constant('ssn')}",
            f"select ssn from people where name = {self.constant('name')}",
            f"select has_table_privilege('records.people', 'select'), to_regclass('records.informants')",
            f"select most_common_vals, histogram_bounds from pg_stats where tablename = 'people' and attname = '{text}'",
            f"select pg_catalog.pg_relation_size('records.people')",
            f"do $$ begin perform 1 / count(*) from people where name = {self.constant('name')}; end $$",
            f"select query_to_xml('select * from people where person_id = ' || {self.constant('person_id')}, true, true, '')",
        )


# --- the comparison ---

FIELDS = [field for field in pq.DiagnosticField]


def fields(result):
    found = {}
    for field in FIELDS:
        value = result.error_field(field)
        if value is not None:
            found[field.name] = value.decode("utf-8", "replace")
    return found


class Side:
    def __init__(self, conninfo):
        self.conninfo, self.conn, self.notices = conninfo, None, []

    def connect(self):
        self.conn = pq.PGconn.connect(self.conninfo.encode())
        if self.conn.status != pq.ConnStatus.OK:
            raise SystemExit(f"no connection: {self.conn.error_message.decode()}")
        self.conn.notice_handler = lambda result: self.notices.append(fields(result))
        self.run("set statement_timeout = '3s'")

    def run(self, text):
        """Everything that comes back, as a value."""
        if self.conn is None or self.conn.status != pq.ConnStatus.OK:
            self.connect()
        self.notices, answers = [], []
        self.conn.send_query(text.encode())
        while (result := self.conn.get_result()) is not None:
            status = pq.ExecStatus(result.status).name
            answer = [status, (result.command_status or b"").decode()]
            if result.status == pq.ExecStatus.TUPLES_OK:
                columns = [(result.fname(i), result.ftype(i), result.fmod(i), result.fformat(i)) for i in range(result.nfields)]
                rows = [[result.get_value(r, c) for c in range(result.nfields)] for r in range(result.ntuples)]
                answer += [columns, rows]
            elif result.status == pq.ExecStatus.COPY_OUT:
                data = []
                while True:
                    size, piece = self.conn.get_copy_data(0)
                    if size < 0:
                        break
                    data.append(bytes(piece))
                answer.append(data)
            elif result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
                answer.append(fields(result))
            answers.append(answer)
        if b"prepare q" in text.encode() and self.conn.status == pq.ConnStatus.OK:
            # An EXECUTE that failed leaves it behind.
            self.conn.exec_(b"deallocate all")
        lost = self.conn.status != pq.ConnStatus.OK
        if not lost and self.conn.transaction_status != pq.TransactionStatus.IDLE:
            notices = self.notices
            self.run("rollback")
            self.notices = notices
        return [answers, self.notices, lost]


def sqlstates(answer):
    return [part[-1].get("SQLSTATE") for part in answer[0] if isinstance(part[-1], dict)]


def by_plan(one, other, text):
    """Whether the planner alone can have made the difference: a join, and one side converted a value that the other, by another plan, never
    came to (docs/limits.md, in place, 5)."""
    states = [sqlstates(one), sqlstates(other)]
    failed = [found for found in states if found]
    joins = re.search(r"\bjoin\b|\bfrom\b[^()]*,", text, re.IGNORECASE)
    return bool(joins) and len(failed) == 1 and len(failed[0]) == 1 and str(failed[0][0]).startswith("22")


def compare(task):
    a, b = Side(task["a"]), Side(task["b"])
    grammar = Grammar(task["seed"], task["constants"])
    queries = [("grammar", grammar.query()) for _ in range(task["pairs"])]
    usable = [text for text in task.get("sqlsmith", []) if not UNSTABLE.search(text)]
    queries += [("sqlsmith", text) for text in usable]
    told = {"pairs": len(queries), "sqlsmith": len(usable), "answered": 0, "rows": 0, "errors": {}, "timeouts": 0, "by_plan": 0, "differences": []}
    for kind, text in queries:
        one, other = a.run(text), b.run(text)
        states = sqlstates(one) + sqlstates(other)
        if "57014" in states:
            # How far a statement came in its time is nothing that two databases have to agree on.
            told["timeouts"] += 1
            continue
        if one != other and by_plan(one, other, text):
            told["by_plan"] += 1
        elif one != other:
            told["differences"].append({"kind": kind, "query": text, "a": repr(one)[:600], "b": repr(other)[:600]})
            if len(told["differences"]) >= task.get("enough", 5):
                break
        for state in sqlstates(one):
            told["errors"][state] = told["errors"].get(state, 0) + 1
        rows = sum(len(part[3]) for part in one[0] if part[0] == "TUPLES_OK")
        told["answered"] += not sqlstates(one)
        told["rows"] += rows
    return told


if __name__ == "__main__":
    if sys.argv[1] == "twins":
        json.dump(twins(int(sys.argv[2])), sys.stdout)
    elif sys.argv[1] == "compare":
        json.dump(compare(json.load(sys.stdin)), sys.stdout)
    else:
        raise SystemExit(__doc__)
