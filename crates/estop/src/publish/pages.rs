//! The pages of the site, its feed and its document: for browsers without scripts, readers of feeds, and programs.

use std::fmt::Write as _;

use evidence::id::PartnerId;
use jiff::Timestamp;
use policy::as_of::Standing;

use super::{Agreement, Order, Partner, Purpose, Share, Site};
use crate::html::escaped;

/// Orders that the feed tells of.
const IN_FEED: usize = 100;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:64em;margin:2em auto;padding:0 1em;color:#222;background:#fff}\
h1,h2,h3{line-height:1.25}table{border-collapse:collapse;width:100%;margin:.5em 0 1.5em}td,th{border:1px solid #bbb;padding:.3em .6em;\
text-align:left;vertical-align:top}th{background:#f3f3f3}code{background:#f3f3f3;padding:.1em .3em;overflow-wrap:anywhere;white-space:pre-wrap}\
.ended{color:#a00020;font-weight:bold}.open{color:#1b6e2c;font-weight:bold}dl{display:grid;grid-template-columns:13em 1fr;margin:.3em 0 1em}\
dd{margin:0}dt{color:#555}a{color:#0645ad}@media print{a{color:inherit}}";

/// All of them by name.
pub(super) fn all(site: &Site) -> Vec<(String, String)> {
    let mut all = vec![
        ("index.html".to_owned(), index(site)),
        ("feed.xml".to_owned(), feed(site)),
        ("site.json".to_owned(), document(site)),
    ];
    let partners = site.partners.iter();
    all.extend(
        partners.map(|(id, partner)| (format!("partners/{id}.html"), partner_page(site, id, partner))),
    );
    all
}

fn document(site: &Site) -> String {
    // Maps have texts as keys, and nothing else in it can fail.
    serde_json::to_string_pretty(site).unwrap_or_default() + "\n"
}

fn index(site: &Site) -> String {
    let mut text = head(site, &format!("{}: who has access to what", site.title), "");
    let _ = write!(
        text,
        "<p>Made on {} from {} entries of the ledger of <b>{}</b>{}. The same for programs: <a href=\"site.json\">site.json</a>; \
         orders as a feed: <a href=\"feed.xml\">feed.xml</a>.</p>",
        moment(site, site.made),
        site.entries,
        escaped(site.custodian.as_str()),
        match site.since {
            Some(since) => format!(", which begins on {}", moment(site, since)),
            None => String::new(),
        }
    );
    access(site, &mut text);
    ended(site, &mut text);
    text.push_str("<h2>All partners</h2><ul>");
    for id in site.partners.keys() {
        let _ = write!(text, "<li>{}</li>", partner_link(site, id, "partners/"));
    }
    text.push_str("</ul><h2>All orders</h2>");
    orders(
        site,
        &site.orders.iter().collect::<Vec<_>>(),
        "",
        "partners/",
        &mut text,
    );
    check_it(site, &mut text);
    text.push_str("</body></html>\n");
    text
}

/// What can be read now.
fn access(site: &Site, text: &mut String) {
    text.push_str("<h2>Access in force</h2>");
    let open = site.agreements.iter().flat_map(|agreement| {
        let purposes = agreement
            .purposes
            .iter()
            .filter(|purpose| purpose.ended_by.is_none());
        purposes.map(move |purpose| (agreement, purpose))
    });
    let open: Vec<_> = open
        .filter(|(agreement, _)| agreement.standing != Standing::Over)
        .collect();
    if open.is_empty() {
        text.push_str("<p>None.</p>");
        return;
    }
    text.push_str("<table><tr><th>Partner</th><th>Purpose</th><th>Data sets</th><th>Agreement</th><th>Legal basis</th><th>Now</th></tr>");
    for (agreement, purpose) in open {
        let mut datasets: Vec<&str> = purpose
            .shares
            .iter()
            .map(|share| share.dataset.as_str())
            .collect();
        datasets.dedup();
        let _ = write!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            partner_link(site, &agreement.partner, "partners/"),
            escaped(purpose.id.as_str()),
            escaped(&datasets.join(", ")),
            escaped(agreement.id.as_str()),
            escaped(agreement.terms.get("legal basis").map_or("", String::as_str)),
            standing(agreement.standing)
        );
    }
    text.push_str("</table>");
}

/// What orders ended, suspended and gave back.
fn ended(site: &Site, text: &mut String) {
    text.push_str("<h2>Access that orders ended, suspended or gave back</h2>");
    let ending: Vec<&Order> = site
        .orders
        .iter()
        .filter(|order| order.partner.is_some())
        .collect();
    if ending.is_empty() {
        text.push_str("<p>None.</p>");
        return;
    }
    orders(site, &ending, "", "partners/", text);
}

fn orders(site: &Site, orders: &[&Order], up: &str, partners: &str, text: &mut String) {
    if orders.is_empty() {
        text.push_str("<p>None.</p>");
        return;
    }
    text.push_str("<table><tr><th>Order</th><th>What</th><th>Basis, in its own words</th><th>Recorded</th><th>In force</th><th>Certificate</th></tr>");
    for order in orders.iter().rev() {
        let what = match &order.partner {
            Some(partner) => format!(
                "{} {}",
                escaped(&order.kind),
                partner_link(site, partner, partners)
            ),
            None => escaped(&order.kind),
        };
        let narrowed = [
            order.agreement.as_ref().map(|id| format!("agreement {id}")),
            order.purpose.as_ref().map(|id| format!("purpose {id}")),
        ];
        let narrowed: Vec<String> = narrowed.into_iter().flatten().collect();
        let certificate = order.certificate.as_ref().map(|file| {
            format!(
                "<a href=\"{up}{}\" download>{}</a>",
                escaped(file),
                escaped(order.number.as_str())
            )
        });
        let _ = write!(
            text,
            "<tr id=\"{number}\"><td>{number}<br>signed by {}</td><td>{what}{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            order.signed_by,
            if narrowed.is_empty() {
                String::new()
            } else {
                format!(", {}", escaped(&narrowed.join(", ")))
            },
            escaped(&order.basis),
            moment(site, order.recorded),
            order
                .in_force
                .map_or_else(|| "not yet".to_owned(), |at| moment(site, at)),
            certificate.as_deref().unwrap_or("&ndash;"),
            number = escaped(order.number.as_str()),
        );
    }
    text.push_str("</table>");
}

fn partner_page(site: &Site, id: &PartnerId, partner: &Partner) -> String {
    let mut text = head(
        site,
        &format!("{}: access of {}", site.title, site.called(id)),
        "../",
    );
    let _ = write!(
        text,
        "<p><a href=\"../index.html\">All partners</a>. Made on {}. This partner is called <code>{}</code> in the ledger.</p>",
        moment(site, site.made),
        escaped(id.as_str())
    );
    let theirs: Vec<&Agreement> = site.agreements.iter().filter(|one| one.partner == *id).collect();
    if theirs.is_empty() {
        text.push_str("<h2>Agreements</h2><p>None is in force.</p>");
    }
    for agreement in theirs {
        self::agreement(agreement, &mut text);
    }
    text.push_str("<h2>Orders</h2>");
    let about: Vec<&Order> = site
        .orders
        .iter()
        .filter(|order| order.partner.as_ref() == Some(id))
        .collect();
    orders(site, &about, "../", "", &mut text);
    log(site, partner, &mut text);
    text.push_str("</body></html>\n");
    text
}

fn agreement(agreement: &Agreement, text: &mut String) {
    let _ = write!(
        text,
        "<h2>Agreement {}</h2><p>{}</p><dl>",
        escaped(agreement.id.as_str()),
        standing(agreement.standing)
    );
    for (name, value) in &agreement.terms {
        let _ = write!(text, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
    }
    text.push_str("</dl>");
    for purpose in &agreement.purposes {
        self::purpose(purpose, text);
    }
}

fn purpose(purpose: &Purpose, text: &mut String) {
    let state = match &purpose.ended_by {
        Some(number) => format!(
            ": <span class=\"ended\">ended by order {}</span>",
            escaped(number.as_str())
        ),
        None => String::new(),
    };
    let _ = write!(text, "<h3>Purpose {}{state}</h3>", escaped(purpose.id.as_str()));
    text.push_str("<table><tr><th>Data set</th><th>Columns</th><th>Rows</th><th>In what way</th></tr>");
    for share in &purpose.shares {
        let how: Vec<String> = share
            .how
            .iter()
            .map(|(name, words)| format!("{name}: {words}"))
            .collect();
        let _ = write!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(share.dataset.as_str()),
            escaped(&columns(share)),
            match &share.rows {
                Some(rows) => format!("<code>{}</code>", escaped(rows)),
                None => "all".to_owned(),
            },
            escaped(&how.join("; "))
        );
    }
    text.push_str("</table>");
}

fn columns(share: &Share) -> String {
    let column = |(name, mask): (&String, &Option<String>)| match mask {
        Some(mask) => format!("{name} (masked: {mask})"),
        None => name.clone(),
    };
    share.columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

fn log(site: &Site, partner: &Partner, text: &mut String) {
    text.push_str("<h2>Disclosures</h2>");
    if partner.opened.is_empty() {
        text.push_str("<p>This partner has no log: nothing was ever given to it through Estop.</p>");
        return;
    }
    let times = |times: &[Timestamp]| {
        let times: Vec<String> = times.iter().map(|at| moment(site, *at)).collect();
        times.join("; ")
    };
    let _ = write!(
        text,
        "<dl><dt>its log was opened</dt><dd>{}</dd>",
        times(&partner.opened)
    );
    if !partner.closed.is_empty() {
        let _ = write!(
            text,
            "<dt>its log was closed</dt><dd>{}</dd>",
            times(&partner.closed)
        );
    }
    text.push_str("</dl><table><tr><th>Month (UTC)</th><th>Statements answered</th></tr>");
    for (month, count) in &partner.disclosures {
        let _ = write!(text, "<tr><td>{}</td><td>{count}</td></tr>", escaped(month));
    }
    text.push_str(
        "</table><p>Each stands in the log, as a commitment that shows nothing of what was asked or given. How many statements there were \
         says nothing of how many people they were about.</p>",
    );
}

fn check_it(site: &Site, text: &mut String) {
    let _ = write!(
        text,
        "<h2>How to check this</h2>\
         <p>These pages are the custodian's word. What can be checked without it:</p><ul>\
         <li>A certificate, offline: <code>estop certificate verify FILE --key custodian.vkey</code>, or the small verifier in Python that comes \
         with Estop. It says who ordered what, what was ended, and that nothing was disclosed afterwards.</li>\
         <li>The log in <a href=\"log/checkpoint\">log/</a>, as <a href=\"https://c2sp.org/tlog-tiles\">C2SP tlog-tiles</a> has it, with any tool \
         for such logs; the log of each partner is in <code>log/p/PARTNER/</code>. Witnesses' signatures stand below each checkpoint.</li></ul>\
         <dl><dt>origin</dt><dd><code>{}</code></dd><dt>key</dt><dd><code>{}</code></dd></dl>\
         <p>Get the key from somewhere else than this site as well, and compare. What no log can show: copies that were made before an end, and \
         access by ways that lead past Estop, which a certificate lists as far as a scan of the databases found them.</p>",
        escaped(site.origin.as_str()),
        escaped(&site.key)
    );
}

fn feed(site: &Site) -> String {
    let tag = |rest: &str| format!("tag:{},2026:{rest}", escaped(site.custodian.as_str()));
    let updated = site.orders.last().map_or(site.made, |order| order.recorded);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n<title>{}: orders</title>\n<id>{}</id>\n\
         <updated>{updated}</updated>\n<author><name>{}</name></author>\n",
        escaped(&site.title),
        tag("orders"),
        escaped(&site.title)
    );
    for order in site.orders.iter().rev().take(IN_FEED) {
        let about = order
            .partner
            .as_ref()
            .map(|partner| site.called(partner))
            .unwrap_or_default();
        let title = format!("{} {about}", order.kind);
        let _ = writeln!(
            text,
            "<entry><title>{}</title><id>{}</id><updated>{}</updated><link href=\"index.html#{number}\"/>\
             <summary>Order {number}: {}</summary></entry>",
            escaped(title.trim_end()),
            tag(&format!("order/{}", escaped(order.number.as_str()))),
            order.recorded,
            escaped(&order.basis),
            number = escaped(order.number.as_str()),
        );
    }
    text.push_str("</feed>\n");
    text
}

/// The beginning of a page. What it may load is nothing.
fn head(site: &Site, title: &str, up: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <link rel=\"alternate\" type=\"application/atom+xml\" title=\"{}: orders\" href=\"{up}feed.xml\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>",
        escaped(&site.title),
        title = escaped(title),
    )
}

fn partner_link(site: &Site, id: &PartnerId, folder: &str) -> String {
    format!(
        "<a href=\"{folder}{}.html\">{}</a>",
        escaped(id.as_str()),
        escaped(site.called(id))
    )
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "<span class=\"open\">open</span>",
        Standing::NotYet => "not in force yet",
        Standing::Over => "<span class=\"ended\">over</span>",
        Standing::OutsideHours => "closed at this hour",
        Standing::Held => "<span class=\"ended\">held: a database was changed</span>",
    }
}

fn moment(site: &Site, at: Timestamp) -> String {
    let local = at.to_zoned(site.zone.clone());
    format!(
        "<time datetime=\"{at}\">{}</time>",
        escaped(&local.strftime("%-d %B %Y, %H:%M:%S (%Z)").to_string())
    )
}
