"""Prints the rows of an export as JSON, as DuckDB reads them: a Parquet reader that nobody here wrote."""

import json
import sys

import duckdb

db = duckdb.connect()
described = db.execute("describe select * from read_parquet($1)", [sys.argv[1]]).fetchall()
names = [column[0] for column in described]
shown = {"time": "epoch_ms(time) as time", "started": "epoch_us(started) as started"}
shown |= {name: f"lower(hex({name})) as {name}" for name in ("leaf", "statement_sha256")}
columns = ", ".join(shown.get(name, name) for name in names)
rows = db.execute(f"select {columns} from read_parquet($1) order by index", [sys.argv[1]])
print(json.dumps([dict(zip(names, row)) for row in rows.fetchall()]))
