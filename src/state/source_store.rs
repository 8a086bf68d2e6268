//! What this enforcer knows of its sources: identity of the database, token of the fence.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::error::StateError;
use super::sqlite::State;

/// One source as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSource {
    /// The hash that identifies server and database.
    pub server_id: String,
    /// The token that the fence carries.
    pub token: String,
    /// The token of a takeover whose commit was not confirmed.
    pub pending: Option<String>,
}

impl State {
    /// What is known of a source.
    ///
    /// # Errors
    /// [`StateError`] of the store.
    pub async fn known_source(&self, id: &str) -> Result<Option<KnownSource>, StateError> {
        let row =
            sqlx::query("SELECT server_id, token, pending FROM source WHERE id = ?").bind(id).fetch_optional(self.pool()).await?;
        row.map(|r| Ok(KnownSource { server_id: r.try_get(0)?, token: r.try_get(1)?, pending: r.try_get(2)? })).transpose()
    }

    /// The ids of all sources that a run or an `adopt` ever took over, in order.
    ///
    /// # Errors
    /// [`StateError`] of the store.
    pub async fn known_sources(&self) -> Result<Vec<String>, StateError> {
        let rows = sqlx::query("SELECT id FROM source ORDER BY id").fetch_all(self.pool()).await?;
        Ok(rows.iter().map(|r| r.try_get(0)).collect::<Result<_, _>>()?)
    }

    /// Remembers, durably and before the fence is changed, the token that it is about to carry.
    ///
    /// # Errors
    /// [`StateError`] of the store.
    pub async fn announce_token(&self, id: &str, server_id: &str, pending: &str) -> Result<(), StateError> {
        sqlx::query("INSERT INTO source (id, server_id, token, pending) VALUES (?1, ?2, '', ?3) ON CONFLICT (id) DO UPDATE SET pending = ?3")
            .bind(id)
            .bind(server_id)
            .bind(pending)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// The fence carries this token now.
    ///
    /// # Errors
    /// [`StateError`] of the store.
    pub async fn confirm_token(&self, id: &str, server_id: &str, token: &str) -> Result<(), StateError> {
        sqlx::query("UPDATE source SET server_id = ?2, token = ?3, pending = NULL WHERE id = ?1")
            .bind(id)
            .bind(server_id)
            .bind(token)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// When a run over a source last ended with a full census.
    ///
    /// # Errors
    /// [`StateError`] of the store.
    pub async fn last_full_census(&self, id: &str) -> Result<Option<DateTime<Utc>>, StateError> {
        let row = sqlx::query("SELECT full_census FROM source WHERE id = ?").bind(id).fetch_optional(self.pool()).await?;
        let seconds: Option<i64> = row.map(|r| r.try_get(0)).transpose()?.flatten();
        Ok(seconds.and_then(|s| DateTime::from_timestamp(s, 0)))
    }

    /// A run over a source has ended with a full census.
    ///
    /// # Errors
    /// [`StateError`] of the store.
    pub async fn full_census_taken(&self, id: &str, at: DateTime<Utc>) -> Result<(), StateError> {
        sqlx::query("UPDATE source SET full_census = ?2 WHERE id = ?1")
            .bind(id)
            .bind(at.timestamp())
            .execute(self.pool())
            .await?;
        Ok(())
    }
}
