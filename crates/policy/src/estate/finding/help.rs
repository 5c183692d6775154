//! What would be right.

use evidence::signers::SignersFault;

use super::Problem;
use super::known::meant;
use crate::estate::column_type::ColumnType;
use crate::estate::document::DocumentError;
use crate::shared_view::SharedViewError;

impl Problem {
    /// What would be right, or where it stands, if the message itself says already.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::TooManyFiles | Self::TooMuch => {
                "an estate of that size is a mistake: other files belong elsewhere".to_owned()
            }
            Self::FileTooLong => "such a file is a page or two: is it another one?".to_owned(),
            Self::UnknownFile => {
                "an estate has `estop.toml`, `datasets/*.toml`, `partners/*.toml`, `agreements/*.toml`, \
                 `guardrails/*.cedar` and `authorities/allowed_signers`"
                    .to_owned()
            }
            Self::Missing(file) => format!("make it; `estop init` writes an example, `estop schema` says what `{file}` holds"),
            Self::Toml(message) => of_toml(message),
            Self::Guardrail(fault) => fault
                .help()
                .unwrap_or_else(|| "a file of Cedar policies, each with `@id` and `@citation`: docs/guide.md".to_owned()),
            Self::Signers(SignersFault::Control('\r')) => {
                "save the file with LF as the end of a line: to OpenSSH the CR is a part of the line".to_owned()
            }
            Self::Signers(_) => {
                "a line for each authority, as in `ssh-keygen`'s ALLOWED SIGNERS: `mayor@example.org ssh-ed25519 AAAA...`"
                    .to_owned()
            }
            Self::Witnesses(_) => "lines are `witness NAME VKEY URL`, `group NAME K MEMBER...` and one `quorum NAME`, as C2SP \
                 tlog-policy has them"
                .to_owned(),
            Self::Id(_) => "write it in the letters that the message lists".to_owned(),
            Self::Name(_) => "write it as the catalog has it: `\\d` in psql shows it".to_owned(),
            Self::Twice { .. } => "leave one of them out".to_owned(),
            Self::FileName { id, .. } => format!("call the file `{id}.toml`, or change the id"),
            Self::Unknown { what, known, .. } => match known.meant() {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if known.is_empty() => format!("no {what} is written down yet"),
                None => format!("name one that there is, or write the {what} down first"),
            },
            Self::Empty(_) => "write at least one, or leave the key out where it is optional".to_owned(),
            Self::Line { .. } => "shorten it; the rest goes into a comment".to_owned(),
            Self::Range { .. } => "a whole number within these bounds".to_owned(),
            Self::ColumnType(written) => of_type(written),
            Self::Decimal(_) => {
                "at most 4 digits after the point and 14 before it, such as `numeric(10,2)`; or `numeric`, which can be \
                 shared and not asked for"
                    .to_owned()
            }
            Self::OnDrift(_) => "`alarm` and `cut` are".to_owned(),
            Self::Erase(_) => "`daily` and `by-hand` are".to_owned(),
            Self::Receipts(_) => "`notice` is; without the line `estop receipts` makes them".to_owned(),
            Self::OverseersKey => "`estop overseers new` makes one, and prints the lines for `estop.toml`".to_owned(),
            Self::Isolation(_) => "`airlock` and `in-place` are".to_owned(),
            Self::Relation(_) => "`records.people`, or `\"My Schema\".\"a.b\"`".to_owned(),
            Self::Date(_) => "year, month and day of a day that the calendar has".to_owned(),
            Self::TimeZone(_) => "a name of the IANA database, such as `America/Chicago` or `UTC`".to_owned(),
            Self::Listen(_) => "`0.0.0.0:6432` for all addresses of the machine; a host name is not an address".to_owned(),
            Self::Url => "`postgresql://estop_admin@/records?host=/run/postgresql`".to_owned(),
            Self::Path => "a path relative to the estate's folder".to_owned(),
            Self::Document(DocumentError::Path(_)) => {
                "put it there and write `document = \"documents/FILE\"`".to_owned()
            }
            Self::Document(DocumentError::Missing(path)) => {
                format!("put the signed document at `{path}`, or leave `document` out")
            }
            Self::Document(DocumentError::Unreadable { .. }) => {
                "an ordinary file within the estate that this user may read".to_owned()
            }
            Self::OnwardClause => {
                "`onward = { permitted = true, to = [\"PARTNER\"], clause = \"clause 7\" }`".to_owned()
            }
            Self::OnwardForbidden => "leave `to` out, or write `permitted = true` with the `clause` that says so".to_owned(),
            Self::OnwardToItself(_) => "name those it may share with onward".to_owned(),
            Self::SubjectKeyOptional(column) => format!(
                "if the database has it NOT NULL, take `optional` from `{column}`; if not, name another column or none"
            ),
            Self::MaskNotShared(_) => "add it to `columns`, or leave the mask out".to_owned(),
            Self::Mask(_) => "docs/guide.md says which masks there are and for which types".to_owned(),
            Self::Condition(_) => "docs/guide.md says what a condition can ask".to_owned(),
            Self::CaseForm(_) => r"a regular expression such as `^[A-Z]{2}-\d{4}-\d+$`".to_owned(),
            Self::Retention(_) => "`6 years`".to_owned(),
            Self::Hours(_) => "`Mon-Fri 06:00-22:00 America/Chicago`".to_owned(),
            Self::LogIn(error) => error.help(),
            Self::SshKey(_) => {
                "the line of the officer's `.pub` file, such as `ssh-ed25519 AAAA... j.doe`".to_owned()
            }
            Self::Verifier(_) => {
                "a verifier, never a password: the line that `estop officer password` makes, or what PostgreSQL keeps in \
                 `pg_authid.rolpassword`"
                    .to_owned()
            }
            Self::Share(error) => error
                .help()
                .unwrap_or("docs/guide.md says what kinds of shares there are")
                .to_owned(),
            Self::Window { .. } => "`valid = { from = \"2026-01-01\", until = \"2027-12-31\" }`".to_owned(),
            Self::TooManyShares { .. } => "join conditions with `||`, or give shares their own `purposes`".to_owned(),
            Self::ShownTypes { .. } => {
                "they are one view: mask it in both so that the type is the same, or give each share its own `purposes`"
                    .to_owned()
            }
            Self::View {
                error: SharedViewError::TooLong,
                ..
            } => "share fewer columns, or say the conditions in fewer words".to_owned(),
            Self::NothingShared(_) => "add a share for it, or leave the purpose out".to_owned(),
            Self::TwoUpstreams { purpose, first, second } => format!(
                "give each database a purpose of its own, such as `{purpose}-{first}` and `{purpose}-{second}`, and name it in \
                 the `purposes` of the shares there"
            ),
            Self::View { .. } | Self::Model(_) => "please report it with the estate".to_owned(),
        })
    }
}

/// What would be right where the parser of TOML has said what is wrong.
fn of_toml(message: &str) -> String {
    let unknown = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once('`'));
    if let Some((written, rest)) = unknown {
        let names = rest.split('`').skip(1).step_by(2);
        if let Some(meant) = meant(written, names) {
            return format!("did you mean `{meant}`?");
        }
        return "leave it out; `estop schema` says what such a file holds".to_owned();
    }
    if let Some(field) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        return format!("write `{field}` there; `estop schema` says what such a file holds");
    }
    "TOML, as in docs/guide.md; `estop schema` says what such a file holds".to_owned()
}

/// Names of types that PostgreSQL knows and the catalog prints otherwise, and how the files call them.
const OTHER_NAMES: [(&str, &str); 17] = [
    ("int", "integer"),
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("serial", "integer"),
    ("bigserial", "bigint"),
    ("bool", "boolean"),
    ("float", "double precision"),
    ("float4", "real"),
    ("float8", "double precision"),
    ("decimal", "numeric"),
    ("string", "text"),
    ("bpchar", "char"),
    ("datetime", "timestamptz"),
    ("int4[]", "integer[]"),
    ("int8[]", "bigint[]"),
    ("blob", "bytea"),
];

fn of_type(written: &str) -> String {
    let other = |(known, name): (&str, &'static str)| (known == written).then_some(name);
    if let Some(name) = OTHER_NAMES.into_iter().find_map(other) {
        return format!("`{name}`, as PostgreSQL's catalog calls it");
    }
    // `varchar(20)`: lengths are the catalog's business.
    if let Some(kind) = written
        .split_once('(')
        .and_then(|(name, _)| ColumnType::parse(name.trim()).ok())
    {
        return format!("`{}`, without a length", kind.name());
    }
    let names = ColumnType::ALL.map(ColumnType::name);
    if let Some(meant) = meant(written, names.iter().map(AsRef::as_ref)) {
        return format!("did you mean `{meant}`?");
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "the types are {}, and `numeric(P,S)`; another can be shared by a view that casts it to `text`",
        names.join(", ")
    )
}
