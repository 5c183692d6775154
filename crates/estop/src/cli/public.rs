//! What can be typed of what everybody may read.

use std::path::PathBuf;

use clap::Args;

/// `estop publish`.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes static files for any web server: index.html, a page for each partner, the same as site.json, orders as an Atom feed, \
                  the certificates, the custodian's public key, and the log as C2SP tlog-tiles has it. No script, nothing from elsewhere. \
                  What stands there is what agreements say and what the public log shows: no officer, no statement, no case, no row. \
                  Run it again, by a timer say, to renew a site; `serve` may be running."
)]
pub struct Publish {
    /// The site's folder: empty, not there yet, or an earlier site of the same custodian
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// A certificate to publish; may be given several times. Those of an earlier site stay
    #[arg(long, value_name = "FILE")]
    pub certificate: Vec<PathBuf>,
}
