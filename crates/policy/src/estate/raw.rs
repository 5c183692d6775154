//! The files of an estate as they are written: shapes only, every text with its place. [`super::check`] makes sense of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

pub(super) type Text = Spanned<String>;
/// A table in which the order of the file is found again by the places of its keys.
pub(super) type Table<T> = BTreeMap<Text, T>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EstopFile {
    pub(super) custodian: CustodianTable,
    pub(super) upstream: Table<UpstreamTable>,
    pub(super) gateway: GatewayTable,
    pub(super) state: StateTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustodianTable {
    pub(super) name: Text,
    pub(super) title: Text,
    pub(super) time_zone: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamTable {
    pub(super) url: Text,
    pub(super) isolation: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayTable {
    pub(super) listen: Text,
    pub(super) tls_certificate: Text,
    pub(super) tls_key: Text,
    pub(super) public_name: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateTable {
    pub(super) dir: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatasetFile {
    pub(super) dataset: DatasetTable,
    pub(super) columns: Spanned<Table<ColumnTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatasetTable {
    pub(super) id: Text,
    pub(super) title: Option<Text>,
    pub(super) upstream: Text,
    pub(super) relation: Text,
    pub(super) subject_key: Option<Text>,
    #[serde(default)]
    pub(super) tags: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnTable {
    #[serde(rename = "type")]
    pub(super) kind: Text,
    #[serde(default)]
    pub(super) optional: bool,
    #[serde(default)]
    pub(super) tags: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartnerFile {
    pub(super) partner: PartnerTable,
    #[serde(default)]
    pub(super) officer: Vec<OfficerTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartnerTable {
    pub(super) id: Text,
    pub(super) title: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfficerTable {
    pub(super) id: Text,
    pub(super) name: Text,
    pub(super) scram: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgreementFile {
    pub(super) agreement: AgreementTable,
    pub(super) share: Spanned<Vec<ShareTable>>,
    #[serde(default)]
    pub(super) limits: LimitsTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgreementTable {
    pub(super) id: Text,
    pub(super) partner: Text,
    pub(super) legal_basis: Text,
    pub(super) document: Option<Text>,
    pub(super) valid: ValidTable,
    pub(super) purposes: Spanned<Vec<Text>>,
    pub(super) case_reference: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValidTable {
    pub(super) from: Text,
    pub(super) until: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareTable {
    pub(super) dataset: Text,
    pub(super) kind: Option<Text>,
    pub(super) purposes: Option<Spanned<Vec<Text>>>,
    pub(super) columns: Option<Spanned<Vec<Text>>>,
    pub(super) group_by: Option<Spanned<Vec<Text>>>,
    pub(super) count: Option<Text>,
    pub(super) min_group: Option<Spanned<i64>>,
    pub(super) small_groups: Option<Text>,
    pub(super) timing: Option<Text>,
    #[serde(default)]
    pub(super) mask: Table<Text>,
    pub(super) when: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsTable {
    pub(super) sessions: Option<Spanned<i64>>,
    pub(super) rows_per_day: Option<Spanned<i64>>,
    pub(super) statement_seconds: Option<Spanned<i64>>,
    pub(super) hours: Option<Text>,
}
