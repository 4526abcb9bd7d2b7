use super::TenantScope;
use crate::database::Database;
use crate::fault::Fault;

/// The tenant that an operator names by its slug, switched off or not.
pub async fn scope_of_slug(database: &Database, slug: &str) -> Result<Option<TenantScope>, Fault> {
    let found: Option<(uuid::Uuid,)> = sqlx::query_as("SELECT id FROM tenants WHERE slug = $1")
        .bind(slug)
        .fetch_optional(database.pool())
        .await?;
    Ok(found.map(|(id,)| TenantScope::proven(id)))
}
