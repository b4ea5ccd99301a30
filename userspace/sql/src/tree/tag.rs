//! Types of nodes and names of fields as numbers: a walk compares them at every step.

/// The name of a field, by a digest that no two names of the library's share (a test looks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(pub(super) u32);

impl At {
    /// Of a name.
    pub(crate) const fn of(name: &str) -> At {
        let bytes = name.as_bytes();
        let (mut digest, mut at) = (0x811C_9DC5_u32, 0);
        while at < bytes.len() {
            digest = (digest ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
            at += 1;
        }
        At(digest)
    }
}

/// The field of that name, digested when this is compiled.
macro_rules! at {
    ($name:literal) => {
        const { $crate::tree::At::of($name) }
    };
}
pub(crate) use at;

macro_rules! tags {
    ($($name:ident)+) => {
        /// The type of a node, as PostgreSQL's sources name it.
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Tag {
            /// It has none.
            None,
            /// One that nobody asks for.
            Other,
            $($name,)+
        }

        impl Tag {
            /// Of that name.
            pub(crate) fn of(name: &str) -> Tag {
                match name {
                    "" => Tag::None,
                    $(stringify!($name) => Tag::$name,)+
                    _ => Tag::Other,
                }
            }
        }
    };
}

tags! {
    A_ArrayExpr A_Const A_Expr A_Indices A_Indirection A_Star Alias AlterCollationStmt AlterDatabaseRefreshCollStmt
    AlterDatabaseSetStmt AlterDatabaseStmt AlterDefaultPrivilegesStmt AlterDomainStmt AlterEnumStmt AlterEventTrigStmt
    AlterExtensionContentsStmt AlterExtensionStmt AlterFdwStmt AlterForeignServerStmt AlterFunctionStmt
    AlterObjectDependsStmt AlterObjectSchemaStmt AlterOpFamilyStmt AlterOperatorStmt AlterOwnerStmt AlterPolicyStmt
    AlterPublicationStmt AlterRoleSetStmt AlterRoleStmt AlterSeqStmt AlterStatsStmt AlterSubscriptionStmt
    AlterSystemStmt AlterTSConfigurationStmt AlterTSDictionaryStmt AlterTableCmd AlterTableMoveAllStmt
    AlterTableSpaceOptionsStmt AlterTableStmt AlterTypeStmt AlterUserMappingStmt BoolExpr Boolean BooleanTest CallStmt
    CaseExpr CheckPointStmt ClosePortalStmt ClusterStmt CoalesceExpr CollateClause ColumnDef ColumnRef CommentStmt
    CompositeTypeStmt Constraint ConstraintsSetStmt CopyStmt CreateAmStmt CreateCastStmt CreateConversionStmt
    CreateDomainStmt CreateEnumStmt CreateEventTrigStmt CreateExtensionStmt CreateFdwStmt CreateForeignServerStmt
    CreateForeignTableStmt CreateFunctionStmt CreateOpClassStmt CreateOpFamilyStmt CreatePLangStmt CreatePolicyStmt
    CreatePublicationStmt CreateRangeStmt CreateRoleStmt CreateSchemaStmt CreateSeqStmt CreateStatsStmt CreateStmt
    CreateSubscriptionStmt CreateTableAsStmt CreateTableSpaceStmt CreateTransformStmt CreateTrigStmt
    CreateUserMappingStmt CreatedbStmt CurrentOfExpr DeallocateStmt DeclareCursorStmt DefElem DefineStmt DeleteStmt
    DiscardStmt DoStmt DropOwnedStmt DropRoleStmt DropStmt DropSubscriptionStmt DropTableSpaceStmt DropUserMappingStmt
    DropdbStmt ExecuteStmt ExplainStmt FetchStmt Float FuncCall GrantRoleStmt GrantStmt GroupingFunc GroupingSet
    ImportForeignSchemaStmt IndexElem IndexStmt InsertStmt Integer JoinExpr JsonArgument JsonArrayAgg
    JsonArrayConstructor JsonArrayQueryConstructor JsonFuncExpr JsonIsPredicate JsonKeyValue JsonObjectAgg
    JsonObjectConstructor JsonParseExpr JsonScalarExpr JsonSerializeExpr JsonTable JsonValueExpr List ListenStmt
    LoadStmt LockStmt LockingClause MergeStmt MergeSupportFunc MinMaxExpr MultiAssignRef NamedArgExpr NotifyStmt
    NullTest ObjectWithArgs ParamRef PartitionCmd PartitionElem PrepareStmt RangeFunction RangeSubselect
    RangeTableFunc RangeTableSample RangeVar ReassignOwnedStmt RefreshMatViewStmt ReindexStmt RenameStmt
    ReplicaIdentityStmt ResTarget ReturnStmt RoleSpec RowExpr RuleStmt SQLValueFunction SecLabelStmt SelectStmt
    SetToDefault SortBy StatsElem String SubLink TableLikeClause TransactionStmt TruncateStmt TypeCast TypeName
    UnlistenStmt UpdateStmt VacuumStmt VariableSetStmt VariableShowStmt ViewStmt WithClause XmlExpr XmlSerialize
}
