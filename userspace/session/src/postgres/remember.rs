//! What a statement writes where is remembered before it goes on.

use std::sync::Arc;

use super::{Connection, Cx};
use crate::derived::Filled;
use crate::taints::Tainted;
use crate::verdicts::Judged;

impl Connection {
    /// The statement goes on: what it asks is spent, what it fills is tainted.
    pub(super) fn remember(&mut self, judged: &Arc<Judged>, cx: &mut Cx<'_, '_>) {
        let Some(derived) = &judged.derived else { return };
        if derived.probing.is_some() || derived.cursor_asks.is_some() {
            self.budget.probes(cx);
        }
        let fills: Vec<&Filled> = derived.statements.iter().flat_map(|of| &of.fills).collect();
        if fills.is_empty() {
            return;
        }
        let (endpoint, dbname) = (&self.open.database.name, &self.startup.dbname);
        let tainted = |filled: &Filled| Tainted {
            endpoint: endpoint.clone(),
            dbname: dbname.to_string(),
            schema: filled.schema.as_deref().unwrap_or_default().to_owned(),
            table: filled.table.to_string(),
            column: filled.column.clone(),
            id: filled.id,
        };
        let (own, lasting): (Vec<&Filled>, Vec<&Filled>) =
            fills.into_iter().partition(|filled| filled.schema.as_deref() == Some("pg_temp"));
        let own: Vec<Tainted> = own.into_iter().map(tainted).collect();
        let lasting = lasting.into_iter().map(tainted).collect();
        own.into_iter().for_each(|one| self.own.taint(one));
        // There was room for it when the statement was judged; shards that fill the last of it at one time go a little beyond.
        if let Some(new) = cx.shared.catalogs.taints.add(lasting) {
            cx.out.tainted.extend(new);
        }
    }
}
