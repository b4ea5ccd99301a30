//! `interceptor`: arguments, then the verb. Exit status 0 ok, 1 the answer is no, 2 usage, 3 the service cannot be reached.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use interceptor::cli::{Approvals, Audit, Cli, Decision, Identity, Of, Sessions, Verb};
use interceptor::review::Word;
use interceptor::sessions::{Asked, Pace};
use interceptor::{identity_verbs, open_sessions, record, review, root_key, run, sessions, status, token_file, verbs};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.verb {
        Verb::Run(from) => {
            interceptor::diagnostics::start();
            run::run(&from.config).map(|()| 0)
        }
        Verb::Plugin { from, database } => interceptor::plugin::serve(&from.config, &database),
        Verb::Attach(from) => verbs::attach(&from.config),
        Verb::Detach(from) => verbs::detach(&from.config),
        Verb::Admit { from, unit } => verbs::admit(&from.config, &unit),
        Verb::Exec { from, agent, user, token_file, command } => {
            verbs::exec(&from.config, &agent, user.as_deref(), token_file.as_deref(), &command)
        }
        Verb::Check { from, policy, against: None, .. } => verbs::check(&from.config, policy.as_deref()),
        Verb::Check { from, policy, against: Some(log), search_path, json } => {
            verbs::backtest(&from.config, policy.as_deref(), &log, &search_path, json)
        }
        Verb::Ca(from) => verbs::ca(&from.config),
        Verb::Doctor { from, json } => verbs::doctor(&from.config, json),
        Verb::Explain { from, agent, database, search_path, schema: Some(schema), dbname, save, json, sql } => {
            let asked = interceptor::explain::Asked {
                agent: &agent,
                database: &database,
                dbname: dbname.as_deref(),
                search_path: &search_path,
                schema: &schema,
                save: save.as_deref(),
                sql: &sql,
                wall_s: verbs::wall_s(),
            };
            interceptor::explain::run(&from.config, &asked, json)
        }
        Verb::Explain { from, agent, database, search_path, json, sql, .. } => {
            let asked = verbs::Explain { agent: &agent, database: &database, search_path: &search_path, sql: &sql };
            verbs::explain(&from.config, &asked, json)
        }
        Verb::Units { from, write } => verbs::units(&from.config, write.as_deref()),
        Verb::Status { from, json, metrics, columns, latency } => {
            let asked = match (metrics, columns, latency) {
                (true, _, _) => status::Asked::Metrics,
                (false, true, _) => status::Asked::Columns,
                (false, false, true) => status::Asked::Latency,
                (false, false, false) => status::Asked::Status,
            };
            status::print(&from.config, asked, json)
        }
        Verb::Identity(Identity::List { from, json }) => identity_verbs::list(&from.config, json),
        Verb::Identity(Identity::Show { from, json, name }) => identity_verbs::show(&from.config, &name, json),
        Verb::Identity(Identity::Revoke { from, name, reason }) => identity_verbs::revoke(&from.config, &name, &reason),
        Verb::Identity(Identity::Fetch { workload_api, audience, spiffe_id, post }) => {
            token_file::fetch((workload_api.as_deref(), &audience, spiffe_id.as_deref()), &post)
        }
        Verb::Identity(Identity::Test { from, issuer, json, file }) => {
            interceptor::identity_test::test(&from.config, &file, issuer.as_deref(), json)
        }
        Verb::Approvals(Approvals::List { from, json, watch }) => review::list(&from.config, json, watch),
        Verb::Approvals(Approvals::Show { from, json, id }) => review::show(&from.config, &id, json),
        Verb::Approvals(Approvals::Login { from, id }) => review::login(&from.config, id.as_deref()),
        Verb::Approvals(Approvals::Token { from, scope, purpose, expires }) => {
            review::token(&from.config, &scope, &purpose, expires)
        }
        Verb::Approvals(Approvals::Approve { word, break_glass: false }) => decide(&word, Word::Approve),
        Verb::Approvals(Approvals::Approve { word, break_glass: true }) => decide(&word, Word::BreakGlass),
        Verb::Approvals(Approvals::Deny(word)) => decide(&word, Word::Deny),
        Verb::Approvals(Approvals::Grant(wanted)) => review::grant(&wanted),
        Verb::Approvals(Approvals::Revoke(word)) => review::revoke(&word.from.config, &word.id, &word.reason),
        Verb::Sessions(verb) => of_sessions(&verb),
        Verb::Audit(Audit::Verify { from, folder, key, kept, witness, json }) => {
            let against = record::Against { key: key.as_deref(), kept: &kept, witness: witness.as_deref() };
            record::verify(&from.config, folder, against, json)
        }
        Verb::Audit(Audit::Retain { from, dry_run }) => interceptor::retention::retain(&from.config, dry_run),
        Verb::Audit(Audit::Certify(from)) => root_key::certify(&from.config),
        Verb::Audit(Audit::RotateKey(from)) => root_key::rotate(&from.config),
        Verb::Audit(Audit::Checkpoint { from, folder }) => record::checkpoint(&from.config, folder),
        Verb::Audit(Audit::Key { from, folder }) => record::key(&from.config, folder),
        Verb::Audit(Audit::Token(from)) => record::token(&from.config),
        Verb::Audit(Audit::Prove { from, record, folder }) => record::prove(&from.config, folder, record),
        Verb::Audit(Audit::CheckProof { file, key }) => record::check_proof(&file, &key),
        Verb::Audit(Audit::Consistency { from, kept, later, folder, key }) => {
            record::since(&from.config, folder, &kept, later.as_deref(), key.as_deref())
        }
        Verb::Audit(Audit::Export { from, folder, json, ocsf, since, to, wants, count, sum, distinct }) => {
            let form = match (json, ocsf) {
                (_, true) => record::Form::Ocsf,
                (true, _) => record::Form::Json,
                _ => record::Form::Line,
            };
            exported(&from.config, folder, form, (since.as_deref(), to.as_deref()), &wants, (count, sum, distinct))
        }
        Verb::Evidence { config, from, to, out } => interceptor::evidence::evidence(&config.config, &from, &to, &out),
        Verb::Ship { from, status: true, json, .. } => interceptor::ship::status(&from.config, json),
        Verb::Ship { from, once, .. } => {
            interceptor::diagnostics::start();
            interceptor::ship::ship(&from.config, once)
        }
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "interceptor", &mut std::io::stdout());
            Ok(0)
        }
        Verb::Man => {
            clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()).map(|()| 0).map_err(Into::into)
        }
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("interceptor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn of_sessions(verb: &Sessions) -> anyhow::Result<u8> {
    fn asked(of: &Of) -> Asked<'_> {
        Asked { config: &of.from.config, folder: of.folder.as_deref(), as_json: of.json }
    }
    match verb {
        Sessions::List { of, since, limit } => sessions::list(asked(of), since, *limit),
        Sessions::Show { of, session } => sessions::show(asked(of), *session),
        Sessions::Replay { of, session, speed, step } => {
            sessions::replay(asked(of), *session, Pace { speed: *speed, step: *step })
        }
        Sessions::Search { of, limit, query } => sessions::search(asked(of), &query.join(" "), *limit),
        Sessions::Open { from, json } => open_sessions::open(&from.config, *json),
        Sessions::Kill { from, id, reason } => open_sessions::kill(&from.config, id, reason),
        Sessions::Index { of, rebuild } => sessions::index(asked(of), *rebuild),
    }
}

fn exported(
    config: &std::path::Path,
    folder: Option<std::path::PathBuf>,
    form: record::Form,
    (from, to): (Option<&str>, Option<&str>),
    wants: &[String],
    (count, sum, distinct): (bool, Option<String>, Option<String>),
) -> anyhow::Result<u8> {
    use record::figures::{Figure, Of, Span, Want};
    let span = Span::parse(from, to)?;
    let wants = wants.iter().map(|words| Want::parse(words)).collect::<anyhow::Result<_>>()?;
    let of = match (sum, distinct) {
        (Some(field), _) => Of::Sum(field),
        (None, Some(field)) => Of::Distinct(field),
        (None, None) => Of::Count,
    };
    let figure = Figure { wants, of };
    if count {
        record::count(config, folder, span, &figure)
    } else {
        record::export(config, folder, form, span, &figure)
    }
}

fn decide(word: &Decision, said: Word) -> anyhow::Result<u8> {
    review::decide(&word.from.config, &word.id, said, &word.reason, word.json)
}
