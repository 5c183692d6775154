//! The probe: with each look, logins as roles that a directive has closed are tried, with the passwords that gateways had. The
//! catalog says that they cannot log in; this is seen by doing, and is true whatever the catalog says.

use evidence::id::PartnerId;
use policy::desired::Desired;
use policy::plan::{Difference, Effect};

use super::Watching;
use crate::Control;
use crate::database::Admin;
use crate::error::ControlError;
use crate::store::Side;

/// Most logins that one look tries in one database; the next look goes on behind them. A login that is refused takes
/// milliseconds, and a line in the server's log.
const TRIED: usize = 20;

impl Watching {
    /// The next roles to be tried in a place, so that each has its turn.
    fn next_roles(&mut self, place: &str, roles: &[String]) -> Vec<String> {
        let count = roles.len();
        let from = self.probed.entry(place.to_owned()).or_default();
        let begin = if *from < count { *from } else { 0 };
        *from = begin.saturating_add(TRIED);
        let turn = roles.iter().cycle().skip(begin).take(count.min(TRIED));
        turn.cloned().collect()
    }
}

impl Control {
    /// Tries what must not succeed in an upstream's database; what did.
    pub(super) async fn probe_upstream(
        &self,
        name: &str,
        admin: &Admin,
        desired: &Desired,
    ) -> Result<Vec<Difference>, ControlError> {
        let closed = desired.roles.iter().filter(|role| !role.is_in_force());
        let closed: Vec<String> = closed.map(|role| role.name.as_str().to_owned()).collect();
        let tried = self.watching().next_roles(name, &closed);
        let mut found = Vec::new();
        for role in tried {
            found.extend(self.probe(admin, self.side(name), &role).await?);
        }
        Ok(found)
    }

    /// The same in a partner's airlock, where each role has a database of its own.
    pub(super) async fn probe_airlock(
        &self,
        name: &str,
        partner: &PartnerId,
        admin: &Admin,
    ) -> Result<Vec<Difference>, ControlError> {
        let upstreams: Vec<String> = self.airlocked().cloned().collect();
        let desired: Vec<Desired> = upstreams.iter().map(|upstream| self.desired(upstream)).collect();
        let theirs = desired.iter().flat_map(|desired| &desired.roles);
        let closed = theirs.filter(|role| role.partner == *partner && !role.is_in_force());
        let closed: Vec<String> = closed.map(|role| role.name.as_str().to_owned()).collect();
        let tried = self.watching().next_roles(name, &closed);
        let mut found = Vec::new();
        for role in tried {
            let door = admin.in_database(&role);
            found.extend(self.probe(&door, Side::Gateway, &role).await?);
        }
        Ok(found)
    }

    async fn probe(&self, admin: &Admin, side: Side, role: &str) -> Result<Option<Difference>, ControlError> {
        let credential = self.0.store.credential(side, role)?;
        // Without a password that once was right there is still the door that asks for none.
        let password = credential.as_ref().map_or("", |credential| credential.reveal());
        Ok(admin.lets_in(role, password).await.then(|| Difference {
            effect: Effect::Opens,
            words: format!(
                "role `{role}`, which a directive has closed, is let in with the password that gateways had"
            ),
            roles: vec![role.to_owned()],
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_turn() {
        let mut watching = Watching::default();
        let roles: Vec<String> = (0..50).map(|n| format!("role-{n:02}")).collect();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..3 {
            let turn = watching.next_roles("main", &roles);
            assert_eq!(turn.len(), TRIED);
            seen.extend(turn);
        }
        assert_eq!(seen.len(), roles.len());
        let few: Vec<String> = roles.into_iter().take(2).collect();
        assert_eq!(watching.next_roles("main", &few), few);
        assert_eq!(watching.next_roles("main", &few).len(), 2);
        assert_eq!(watching.next_roles("main", &[]), Vec::<String>::new());
    }
}
