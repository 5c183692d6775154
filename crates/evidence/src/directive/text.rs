//! The one encoding of a directive.

use std::fmt::Write as _;

use super::{
    Directive, DirectiveError, Draft, EstateTerms, MAX_DIRECTIVE_BYTES, Order, OrderKind, Particulars,
    Reinstatement, Scope, Suspension,
};
use crate::entry::text as form;

/// First line of every directive.
const HEADER: &str = "estop/directive/v1";

pub(super) fn encode(directive: &Directive) -> String {
    let mut out = format!("{HEADER}\n");
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{key} {value}");
    };
    line("custodian", &directive.custodian);
    line("number", &directive.number);
    line("kind", &directive.order.kind());
    match &directive.order {
        Order::Terminate(scope) | Order::Suspend(Suspension { scope, .. }) => {
            line("partner", &scope.partner);
            if let Some(agreement) = &scope.agreement {
                line("agreement", agreement);
            }
            if let Some(purpose) = &scope.purpose {
                line("purpose", purpose);
            }
        }
        Order::Reinstate(reinstatement) => {
            line("partner", &reinstatement.partner);
            line("lifts", &reinstatement.lifts);
        }
        Order::Approve(terms) => {
            line("estate", &terms.estate);
            line("signers", &terms.signers);
            line("summary", &terms.summary);
        }
    }
    // Whole seconds print as `2026-11-23T00:00:00Z`; `Directive::new` lets no other in.
    if let Some(until) = directive.until() {
        line("until", &until);
    }
    line("basis", &directive.basis);
    for (key, value) in directive.particulars.lines() {
        line(key, &value);
    }
    if let Some(preview) = &directive.preview {
        line("preview", preview);
    }
    line("issued", &directive.issued);
    line("expires", &directive.expires);
    line("nonce", &directive.nonce);
    line("ledger-size", &directive.ledger_size);
    line("ledger-root", &directive.ledger_root);
    out
}

pub(super) fn parse(bytes: &[u8]) -> Result<Directive, DirectiveError> {
    if bytes.len() > MAX_DIRECTIVE_BYTES {
        return Err(DirectiveError::TooLong { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| DirectiveError::NotText {
        at: error.valid_up_to(),
    })?;
    let mut lines = Lines {
        rest: text,
        number: 1,
    };
    lines.header()?;
    let draft = Draft {
        custodian: lines.required("custodian", "`custodian` and a DNS name in lower case", |text| {
            text.parse().ok()
        })?,
        number: lines.required("number", "`number` and a number such as `D-2026-0001`", |text| {
            text.parse().ok()
        })?,
        order: lines.order()?,
        basis: lines.required("basis", "`basis` and a line of text", |text| {
            Some(text.to_owned())
        })?,
        particulars: lines.particulars()?,
        preview: lines.optional("preview", "32 bytes in base64", |text| text.parse().ok())?,
        issued: lines.required(
            "issued",
            "`issued` and a time such as `2026-11-23T00:00:00Z`",
            form::parse_time,
        )?,
        expires: lines.required(
            "expires",
            "`expires` and a time such as `2026-11-24T00:00:00Z`",
            form::parse_time,
        )?,
        nonce: lines.required("nonce", "`nonce` and 16 bytes in base64", |text| {
            text.parse().ok()
        })?,
        ledger_size: lines.required("ledger-size", "`ledger-size` and a count", form::parse_decimal)?,
        ledger_root: lines.required("ledger-root", "`ledger-root` and 32 bytes in base64", |text| {
            text.parse().ok()
        })?,
    };
    if !lines.rest.is_empty() {
        let expected = "nothing more: each key once, in order, and only those that are known";
        return Err(DirectiveError::Line {
            line: lines.number,
            expected,
        });
    }
    Directive::new(draft)
}

fn kind(text: &str) -> Option<OrderKind> {
    OrderKind::ALL.into_iter().find(|kind| kind.as_str() == text)
}

/// What has not been read yet, and the number of its first line.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl Lines<'_> {
    fn order(&mut self) -> Result<Order, DirectiveError> {
        let kinds = "`kind` and `terminate`, `suspend`, `reinstate` or `approve`";
        match self.required("kind", kinds, kind)? {
            OrderKind::Approve => Ok(Order::Approve(EstateTerms {
                estate: self.required("estate", "`estate` and 32 bytes in base64", |text| {
                    text.parse().ok()
                })?,
                signers: self.required("signers", "`signers` and 32 bytes in base64", |text| {
                    text.parse().ok()
                })?,
                summary: self.required("summary", "`summary` and 32 bytes in base64", |text| {
                    text.parse().ok()
                })?,
            })),
            OrderKind::Terminate => Ok(Order::Terminate(self.scope()?)),
            OrderKind::Suspend => Ok(Order::Suspend(Suspension {
                scope: self.scope()?,
                until: self.required(
                    "until",
                    "`until` and a time such as `2026-12-23T00:00:00Z`",
                    form::parse_time,
                )?,
            })),
            OrderKind::Reinstate => Ok(Order::Reinstate(Reinstatement {
                partner: self.partner()?,
                lifts: self.required("lifts", "`lifts` and a number such as `D-2026-0001`", |text| {
                    text.parse().ok()
                })?,
            })),
        }
    }

    fn partner(&mut self) -> Result<crate::id::PartnerId, DirectiveError> {
        self.required("partner", "`partner` and a partner's id", |text| {
            text.parse().ok()
        })
    }

    fn scope(&mut self) -> Result<Scope, DirectiveError> {
        Ok(Scope {
            partner: self.partner()?,
            agreement: self.optional("agreement", "an agreement's id", |text| text.parse().ok())?,
            purpose: self.optional("purpose", "a purpose's id", |text| text.parse().ok())?,
        })
    }

    fn particulars(&mut self) -> Result<Particulars, DirectiveError> {
        let text = |text: &str| Some(text.to_owned());
        Ok(Particulars {
            services: self.optional("services", "a line of text", text)?,
            grounds: self.optional("grounds", "a line of text", text)?,
            hearing: self.optional(
                "hearing",
                "a time such as `2026-12-01T15:00:00Z`",
                form::parse_time,
            )?,
            contact: self.optional("contact", "a line of text", text)?,
            notice: self.optional("notice", "a line of text", text)?,
        })
    }

    fn header(&mut self) -> Result<(), DirectiveError> {
        let expected = "`estop/directive/v1`";
        let rest = self
            .rest
            .strip_prefix(HEADER)
            .and_then(|rest| rest.strip_prefix('\n'));
        self.rest = rest.ok_or(DirectiveError::Line { line: 1, expected })?;
        self.number = 2;
        Ok(())
    }

    fn optional<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, DirectiveError> {
        let Some(after) = self
            .rest
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(' '))
        else {
            return Ok(None);
        };
        let fault = DirectiveError::Line {
            line: self.number,
            expected,
        };
        let Some((value, rest)) = after.split_once('\n') else {
            return Err(DirectiveError::Line {
                line: self.number,
                expected: "a line feed at the end of the line",
            });
        };
        let value = read(value).ok_or(fault)?;
        self.rest = rest;
        self.number = self.number.saturating_add(1);
        Ok(Some(value))
    }

    fn required<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, DirectiveError> {
        let line = self.number;
        self.optional(key, expected, read)?
            .ok_or(DirectiveError::Line { line, expected })
    }
}
