-- Names that trip programs up; the long ones have 63 bytes.
CREATE SCHEMA "My Schema";
CREATE SCHEMA "select";
CREATE SCHEMA "a.b";
CREATE TABLE public.person (id integer PRIMARY KEY, name text);
CREATE TABLE "My Schema".person (id integer PRIMARY KEY, name text);
CREATE TABLE "My Schema"."Person" ("ID" integer PRIMARY KEY, "Full Name" text NOT NULL, "it's ""quoted""" text, "a.b" text);
CREATE TABLE "select"."table" ("where" text, "from" integer, "=" text, "#" text, "[x]" text, "résumé" text, "人" text);
CREATE TABLE "a.b"."c.d""e" ("tab" text);
CREATE TABLE "select"."人" ("名" text);
CREATE TABLE "select"."名" (id integer);
CREATE TABLE "select"."!!" ("\" text, "'''" text, """""""" text);
CREATE TABLE public."people-1" (id integer);
CREATE TABLE public."people 1" (id integer);
CREATE TABLE public.people_1 (id integer);
CREATE TABLE public.x123456789012345678901234567890123456789012345678901234567890_a (y123456789012345678901234567890123456789012345678901234567890_b integer);
CREATE TABLE public.x123456789012345678901234567890123456789012345678901234567890_b (id integer);
CREATE TABLE public."new
line" (id integer);
CREATE TABLE public.odd ("new
line" integer, fine integer);
COMMENT ON TABLE public.odd IS E'# ]] \u2028 "quote" \\ back\r\n[dataset]';
COMMENT ON COLUMN public.odd.fine IS E'one\ntwo = { type = "text" }';
