//! How upstreams are spoken to and chosen, and which models stand in. Each column has a default, so that the version
//! before this step goes on adding rows.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One column at a time: SQLite knows no other way.
        for (table, columns) in added() {
            for mut column in columns {
                manager.alter_table(Table::alter().table(table.clone()).add_column(&mut column).to_owned()).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns) in added() {
            for column in columns {
                let name = Alias::new(column.get_column_name());
                manager.alter_table(Table::alter().table(table.clone()).drop_column(name).to_owned()).await?;
            }
        }
        Ok(())
    }
}

fn added() -> [(Alias, Vec<ColumnDef>); 3] {
    let models = vec![
        string("routing").default("weighted").to_owned(),
        string("affinity").default("none").to_owned(),
        text("fallbacks").default("[]").to_owned(),
        text("context_fallbacks").default("[]").to_owned(),
    ];
    let upstreams = vec![
        boolean("mirror").default(false).to_owned(),
        big_integer("capacity").default(0).to_owned(),
        text("headers").default("{}").to_owned(),
        text("native_apis").default("[]").to_owned(),
        string("api_version").default("").to_owned(),
        text("ca_file").default("").to_owned(),
        string("instance").default("").to_owned(),
        text("health_path").default("").to_owned(),
    ];
    let sources = vec![string("instance").default("").to_owned()];
    [(Alias::new("models"), models), (Alias::new("upstreams"), upstreams), (Alias::new("sources"), sources)]
}
