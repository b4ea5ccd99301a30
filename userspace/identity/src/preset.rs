//! What is known of the tokens of issuers that everybody uses: which claims make a principal, which are worth keeping, and which names can
//! come to mean another.

/// A kind of issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Any: the principal is `sub`.
    Any,
    /// GitHub Actions (docs.github.com, "OpenID Connect reference").
    GithubActions,
    /// `id_tokens` of GitLab CI/CD (docs.gitlab.com, "ID token authentication").
    Gitlab,
    /// Bound tokens of Kubernetes' service accounts.
    Kubernetes,
    /// SPIFFE JWT-SVIDs: `iss` may be absent, and the trust domain of `sub` names who signs.
    Spiffe,
}

impl Preset {
    /// Every one with its word in the configuration.
    pub const ALL: [(&'static str, Preset); 5] = [
        ("any", Preset::Any),
        ("github-actions", Preset::GithubActions),
        ("gitlab", Preset::Gitlab),
        ("kubernetes", Preset::Kubernetes),
        ("spiffe", Preset::Spiffe),
    ];

    /// By its word.
    pub fn parse(word: &str) -> Option<Preset> {
        Preset::ALL.iter().find(|(name, _)| *name == word).map(|(_, preset)| *preset)
    }

    /// The claims that together are one principal, and nobody else's ever.
    pub(crate) fn principal(self) -> &'static [&'static str] {
        match self {
            Preset::Any | Preset::Spiffe => &["sub"],
            Preset::GithubActions => &["repository_id", "run_id", "run_attempt"],
            Preset::Gitlab => &["project_id", "pipeline_id", "job_id"],
            Preset::Kubernetes => &["kubernetes.io/serviceaccount/uid", "kubernetes.io/pod/uid"],
        }
    }

    /// The claims that are kept where the token has them.
    pub(crate) fn attributes(self) -> &'static [&'static str] {
        match self {
            Preset::Any | Preset::Spiffe => &[],
            Preset::GithubActions => &[
                "repository_id",
                "repository_owner_id",
                "repository",
                "ref",
                "ref_protected",
                "sha",
                "environment",
                "event_name",
                "job_workflow_ref",
                "actor_id",
                "actor",
                "runner_environment",
                "run_id",
                "run_attempt",
            ],
            Preset::Gitlab => &[
                "namespace_id",
                "project_id",
                "project_path",
                "ref",
                "ref_type",
                "ref_protected",
                "sha",
                "environment",
                "environment_protected",
                "pipeline_source",
                "ci_config_ref_uri",
                "user_id",
                "user_login",
                "runner_environment",
                "pipeline_id",
                "job_id",
            ],
            Preset::Kubernetes => &[
                "kubernetes.io/namespace",
                "kubernetes.io/serviceaccount/name",
                "kubernetes.io/serviceaccount/uid",
                "kubernetes.io/pod/name",
                "kubernetes.io/pod/uid",
                "kubernetes.io/node/name",
            ],
        }
    }

    /// Of these claims `require` must pin one, or tokens of strangers count: the issuer signs for everybody.
    pub(crate) fn pins(self) -> &'static [&'static str] {
        match self {
            Preset::Any | Preset::Kubernetes | Preset::Spiffe => &[],
            Preset::GithubActions => &["repository_id", "repository_owner_id", "enterprise_id"],
            Preset::Gitlab => &["project_id", "namespace_id"],
        }
    }

    /// The id that a name goes with: the name can be given up and be taken by another, the id cannot.
    pub(crate) fn id_of(self, claim: &str) -> Option<&'static str> {
        let known: &[(&str, &str)] = match self {
            Preset::Any | Preset::Spiffe => &[],
            Preset::GithubActions => &[
                ("sub", "repository_id"),
                ("repository", "repository_id"),
                ("repository_owner", "repository_owner_id"),
                ("enterprise", "enterprise_id"),
                ("actor", "actor_id"),
            ],
            Preset::Gitlab => &[
                ("sub", "project_id"),
                ("project_path", "project_id"),
                ("namespace_path", "namespace_id"),
                ("user_login", "user_id"),
                ("user_email", "user_id"),
            ],
            Preset::Kubernetes => &[
                ("sub", "kubernetes.io/serviceaccount/uid"),
                ("kubernetes.io/serviceaccount/name", "kubernetes.io/serviceaccount/uid"),
                ("kubernetes.io/pod/name", "kubernetes.io/pod/uid"),
                ("kubernetes.io/node/name", "kubernetes.io/node/uid"),
            ],
        };
        known.iter().find(|(name, _)| *name == claim).map(|(_, id)| *id)
    }
}
