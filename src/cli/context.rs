//! What most commands need: the workspace, a source, the state, the clock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, TimeZone as _, Utc};

use super::exit::{About, Exit, Failure};
use super::{Cli, Format, LangArg, faults};
use crate::archive::Archives;
use crate::clock::{Clock, SystemClock};
use crate::config::{
    Lang, LoadError, Named, SourceRules, Workspace, family_of, open_archives, open_files, open_tenants_files, tenant_of,
};
use crate::enforce::{AskedOf, Copies, CopyBase, Elsewhere, Prepared, Questions, Settings};
use crate::files::Files;
use crate::journal::{Journal, Name};
use crate::plan::dialect::Dialect;
use crate::plan::lookup::tenants_by;
use crate::plan::schema::Engine;
use crate::policy::located::{Faults, nearest};
use crate::policy::map::{DataMap, DataSet};
use crate::policy::purpose::DataName;
use crate::policy::reader::shown;
use crate::source::{Source, SourceError};
use crate::state::State;

/// What to do when the server turns away the user of the settings.
const ADVICE: &str = ": the role is there only once the script of `retentiond setup` was run and it was given a password; until then \
     `retentiond setup --url-file <file>` connects with an administrator's URL";

/// The surroundings of one command.
pub struct Cx {
    /// The settings file.
    pub config: PathBuf,
    /// How results are written.
    pub format: Format,
    lang: Option<Lang>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What the command used last: the source, the file of the state.
    used: Mutex<(Option<String>, Option<PathBuf>)>,
}

impl Cx {
    /// The surroundings that the command line asks for.
    pub(super) fn new(cli: &Cli) -> Self {
        let lang = cli.lang.map(|l| match l {
            LangArg::Fr => Lang::Fr,
            LangArg::En => Lang::En,
        });
        Self { config: cli.config.clone(), format: cli.format, lang, clock: Arc::new(SystemClock), used: Mutex::default() }
    }

    /// Surroundings for commands that another command runs.
    pub fn with(config: PathBuf, format: Format, lang: Lang, clock: Arc<dyn Clock>) -> Self {
        Self { config, format, lang: Some(lang), clock, used: Mutex::default() }
    }

    /// The language that the command line asks for, or another.
    #[must_use]
    pub fn lang_or(&self, otherwise: Lang) -> Lang {
        self.lang.unwrap_or(otherwise)
    }

    /// The language for people.
    #[must_use]
    pub fn lang(&self, workspace: &Workspace) -> Lang {
        self.lang.unwrap_or(workspace.settings.language)
    }

    /// Reads settings, maps and policies; any error is printed with all others and ends the command.
    ///
    /// # Errors
    /// [`Exit::Config`].
    pub fn workspace(&self) -> Result<Workspace, Failure> {
        let (workspace, found) = self.workspace_with_faults()?;
        if found.any_error() {
            faults::print(&found, &workspace.files, self.format)?;
            return Err(Failure::said(Exit::Config));
        }
        Ok(workspace)
    }

    /// Reads settings, maps and policies, as [`Self::workspace`] does, and asks the control databases of families for their tenants.
    ///
    /// # Errors
    /// [`Exit::Config`].
    pub async fn workspace_with_tenants(&self) -> Result<Workspace, Failure> {
        let mut workspace = self.workspace()?;
        self.ask_for_tenants(&mut workspace).await;
        Ok(workspace)
    }

    /// Asks the control databases. One that cannot be asked is noted in its family with the reason.
    pub async fn ask_for_tenants(&self, workspace: &mut Workspace) {
        for family in std::mem::take(&mut workspace.controlled) {
            let (control, query) = family.question();
            let answer = self.tenants_by(workspace, control, query, &family.dates()).await;
            let answer = answer.map_err(|failure| {
                let failure = self.named(failure);
                format!("the control database cannot be asked, and no tenant is worked on: {}", failure.message)
            });
            workspace.tenants_are(&family, answer);
        }
    }

    async fn tenants_by(
        &self,
        workspace: &Workspace,
        control: &str,
        query: &str,
        dates: &[String],
    ) -> Result<Vec<Named>, Failure> {
        let source = self.connect(workspace, control).await?;
        let mut session = source.session().await?;
        let rows = session.rows(&tenants_by(Dialect { engine: source.engine() }, query, dates)).await?;
        if source.engine().is_mysql_family() {
            session.rows("COMMIT").await?;
        }
        session.done().await?;
        source.close().await;
        Ok(rows
            .into_iter()
            .map(|row| {
                let mut cells = row.into_iter();
                Named { tenant: cells.next().flatten(), url: cells.next().flatten(), dates: cells.collect() }
            })
            .collect())
    }

    /// Reads settings, maps and policies with their faults.
    ///
    /// # Errors
    /// [`Exit::Config`] when the settings themselves cannot be used.
    pub fn workspace_with_faults(&self) -> Result<(Workspace, Faults), Failure> {
        let (mut files, mut found) = (Vec::new(), Faults::default());
        match Workspace::read(&self.config, &mut files, &mut found) {
            Ok(workspace) => Ok((workspace, found)),
            Err(LoadError::Unreadable(e)) => Err(Failure::new(Exit::Config, format!("{}: {e}", self.config.display()))),
            Err(LoadError::Faults) => {
                faults::print(&found, &files, self.format)?;
                Err(Failure::said(Exit::Config))
            }
        }
    }

    /// Connects to a source.
    ///
    /// # Errors
    /// [`Exit::Config`], [`Exit::Unavailable`].
    pub async fn connect(&self, workspace: &Workspace, id: &str) -> Result<Source, Failure> {
        self.connect_as(workspace, id, None).await
    }

    /// Connects to a source as the settings say, or as another user whose URL is in a file. Whoever the server turns away hears of that file.
    ///
    /// # Errors
    /// [`Exit::Config`], [`Exit::Unavailable`].
    pub async fn connect_as(&self, workspace: &Workspace, id: &str, url_file: Option<&Path>) -> Result<Source, Failure> {
        let settings = workspace.settings.sources.get(id).ok_or_else(|| unknown_source(workspace, id))?;
        let other = url_file.map(|file| settings.at(std::path::absolute(file).unwrap_or_else(|_| file.to_owned())));
        let target = other.as_ref().unwrap_or(settings).target(&workspace.base);
        let target = target.map_err(|e| Failure::new(Exit::Config, format!("source {id}: {e}")))?;
        self.used.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(id.to_owned());
        Source::connect(&target).await.map_err(|e| {
            let refused = matches!(&e, SourceError::Database(fault) if fault.is_refusal());
            let mut failure = Failure::from(e);
            if refused && url_file.is_none() {
                failure.message.push_str(ADVICE);
            }
            failure
        })
    }

    /// Opens the archives of the settings.
    ///
    /// # Errors
    /// [`Exit::Config`].
    pub fn archives(&self, workspace: &Workspace) -> Result<Archives, Failure> {
        open_archives(&workspace.settings.archives, &workspace.base)
            .map_err(|(name, e)| Failure::new(Exit::Config, format!("archive {name}: {e}")))
    }

    /// Opens the data sets that hold copies of a source's records. One that cannot be opened is noted with the reason: what needs it waits.
    pub async fn copies(&self, workspace: &Workspace, rules: &SourceRules) -> Copies {
        let names: BTreeSet<&DataName> = rules.map.data_sets.iter().flat_map(|d| &d.copies).map(|c| &c.of.value).collect();
        let (mut copies, used) = (Copies::default(), self.about());
        for name in names {
            let base = self.copy_base(workspace, name).await;
            copies.add(name.clone(), base.map_err(|failure| failure.message));
        }
        self.about_again(used);
        copies
    }

    /// The source that the command used last.
    fn about(&self) -> Option<String> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// What goes wrong from here on is about that source again.
    fn about_again(&self, source: Option<String>) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).0 = source;
    }

    /// Opens a data set that holds copies.
    ///
    /// # Errors
    /// [`Exit::Config`], [`Exit::Unavailable`].
    pub async fn copy_base(&self, workspace: &Workspace, name: &DataName) -> Result<CopyBase, Failure> {
        let rules = workspace.sources.get(&name.source).ok_or_else(|| unknown_source(workspace, &name.source))?;
        let source = self.connect(workspace, &name.source).await?;
        let base = CopyBase::open(source, &rules.map, &name.data_set).await?;
        base.ok_or_else(|| Failure::new(Exit::Config, format!("{name} has no table in its database")))
    }

    /// Connects to the sources whose purposes keep something of this one. One that cannot be asked is noted with the reason: it keeps everybody.
    pub async fn elsewhere(&self, workspace: &Workspace, rules: &SourceRules, now: DateTime<Utc>) -> Elsewhere {
        let mut all = Elsewhere::default();
        let used = self.about();
        for (id, asked) in AskedOf::all(&rules.map, &rules.policies) {
            match self.questions(workspace, &id, &asked, now).await {
                Ok((source, questions)) => all.add(&source, questions),
                Err(failure) => asked.into_iter().for_each(|of| all.add_unasked(of.name, failure.message.clone())),
            }
        }
        self.about_again(used);
        all
    }

    /// What a source is to be asked about people whom its purposes may need, and the source.
    ///
    /// # Errors
    /// [`Exit::Config`], [`Exit::Unavailable`].
    pub async fn questions(
        &self,
        workspace: &Workspace,
        id: &str,
        asked: &BTreeSet<AskedOf>,
        now: DateTime<Utc>,
    ) -> Result<(Source, Questions), Failure> {
        let rules = workspace.sources.get(id).ok_or_else(|| unknown_source(workspace, id))?;
        let source = self.connect(workspace, id).await?;
        let wrong = |why: String| Failure::new(Exit::Config, why);
        let questions = async {
            if source.engine() != Engine::Sqlite && source.surroundings().await?.read_only {
                return Err(wrong("its server is a replica, which may lag behind, or refuses to be written".to_owned()));
            }
            let mut found = Faults::default();
            let prepared = self.prepare_with(&source, &rules, now, &mut found).await?;
            let prepared = prepared.ok_or_else(|| wrong("its database does not fit its map".to_owned()))?;
            let questions = Questions::new(&prepared, &rules.map, &rules.policies, asked).map_err(wrong)?;
            questions.probe(&source).await.map_err(wrong)?;
            Ok(questions)
        };
        match questions.await {
            Ok(questions) => Ok((source, questions)),
            Err(failure) => {
                source.close().await;
                Err(failure)
            }
        }
    }

    /// Opens the stores of files of the settings for a source: a tenant's own roots for a tenant.
    ///
    /// # Errors
    /// [`Exit::Config`].
    pub fn files(&self, workspace: &Workspace, map: &DataMap) -> Result<Arc<Files>, Failure> {
        let (stores, archives, base) = (&workspace.settings.files, &workspace.settings.archives, &workspace.base);
        let files = match tenant_of(&map.source) {
            Some(tenant) => {
                let names: BTreeSet<&str> = map.data_sets.iter().flat_map(|d| &d.files).map(|f| f.store.as_str()).collect();
                open_tenants_files(stores, archives, base, tenant, names)
            }
            None => open_files(stores, archives, base),
        };
        files.map(Arc::new).map_err(|(name, e)| Failure::new(Exit::Config, format!("files {name}: {e}")))
    }

    /// A failure that names what it is about: a source by its id, the state by its file.
    #[must_use]
    pub fn named(&self, failure: Failure) -> Failure {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match (failure.about, &*used) {
            (About::Source, (Some(id), _)) => Failure::new(failure.exit, format!("source {id}: {}", failure.message)),
            (About::State, (_, Some(file))) => Failure::new(failure.exit, format!("{}: {}", file.display(), failure.message)),
            _ => failure,
        }
    }

    /// The directory of the state, remembered for what may go wrong with it.
    fn state_dir(&self, workspace: &Workspace) -> PathBuf {
        let dir = workspace.base.join(&workspace.settings.state);
        self.used.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(dir.join("state.sqlite"));
        dir
    }

    /// Opens the state for writing, with its journal.
    ///
    /// # Errors
    /// [`Exit::Unavailable`].
    pub async fn state(&self, workspace: &Workspace) -> Result<(State, Journal), Failure> {
        let state = State::open(&self.state_dir(workspace)).await?;
        let journal = Journal::open(&state, self.clock.clone()).await?;
        Ok((state, journal))
    }

    /// Opens the state for reading, beside whoever writes it.
    ///
    /// # Errors
    /// [`Exit::Unavailable`].
    pub async fn state_to_read(&self, workspace: &Workspace) -> Result<State, Failure> {
        Ok(State::open_read_only(&self.state_dir(workspace)).await?)
    }

    /// Compiles the plan of a source as of `now`; faults against the live schema are printed and end the command.
    ///
    /// # Errors
    /// [`Exit::Config`], [`Exit::Unavailable`].
    pub async fn prepare(
        &self,
        workspace: &Workspace,
        source: &Source,
        rules: &SourceRules,
        now: DateTime<Utc>,
    ) -> Result<Prepared, Failure> {
        let mut found = Faults::default();
        match self.prepare_with(source, rules, now, &mut found).await? {
            Some(prepared) => Ok(prepared),
            None => {
                faults::print(&found, &workspace.files, self.format)?;
                Err(Failure::said(Exit::Config))
            }
        }
    }

    /// Compiles the plan of a source as of `now`; `None` when faults against the live schema were found.
    ///
    /// # Errors
    /// [`Exit::Unavailable`].
    pub async fn prepare_with(
        &self,
        source: &Source,
        rules: &SourceRules,
        now: DateTime<Utc>,
        found: &mut Faults,
    ) -> Result<Option<Prepared>, Failure> {
        let mut session = source.session().await?;
        let prepared =
            Prepared::read(source, &mut session, &rules.map, &rules.policies, rules.documents.clone(), now, found).await?;
        session.done().await?;
        Ok(prepared)
    }

    /// The ids of the sources that a command is about: the one named, the tenants of the family named, or all.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn sources(&self, workspace: &Workspace, named: Option<&str>) -> Result<Vec<String>, Failure> {
        match named {
            Some(id) if workspace.sources.contains_key(id) => Ok(vec![id.to_owned()]),
            Some(id) => match workspace.families.get(id) {
                Some(family) => Ok(family.tenants.clone()),
                None => Err(unknown_source(workspace, id)),
            },
            None => Ok(workspace.sources.keys().cloned().collect()),
        }
    }

    /// A source and one of its data sets, from `source.data_set`.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn data_set(&self, workspace: &Workspace, name: &str) -> Result<(Arc<SourceRules>, DataSet), Failure> {
        let wrong = || Failure::new(Exit::Usage, format!("`{}` names no data set: `source.data_set`", shown(name)));
        let (source, data) = name.split_once('.').ok_or_else(wrong)?;
        let rules = workspace.sources.get(source).ok_or_else(|| unknown_source(workspace, source))?;
        let found = rules.map.data_set(data).cloned().ok_or_else(|| {
            let known = rules.map.data_sets.iter().map(|d| d.id.value.as_str());
            Failure::new(Exit::Usage, format!("`{}` names no data set of the source; {}", shown(name), nearest(data, known)))
        })?;
        Ok((rules, found))
    }

    /// An actor of the settings.
    ///
    /// # Errors
    /// [`Exit::Denied`].
    pub fn actor(&self, workspace: &Workspace, id: &str) -> Result<Name, Failure> {
        if !workspace.settings.actors.contains(id) {
            return Err(Failure::new(Exit::Denied, format!("`{}` is not one of the `actors` in the settings", shown(id))));
        }
        Ok(Name::parse(id)?)
    }

    /// The limits of a source's runs.
    #[must_use]
    pub fn limits(&self, workspace: &Workspace, source: &str) -> Settings {
        workspace.settings.run(source, None, None)
    }
}

/// A source that is none, or a family where one source is needed.
pub(super) fn unknown_source(workspace: &Workspace, id: &str) -> Failure {
    if let Some(family) = workspace.families.get(id) {
        let such = family.tenants.first().map_or(String::new(), |t| format!(", such as `{t}`"));
        return Failure::new(Exit::Usage, format!("`{}` is a family: name one of its tenants{such}", shown(id)));
    }
    if let Some((name, family)) = family_of(id).and_then(|name| Some((name, workspace.families.get(name)?))) {
        let why =
            family.unusable.iter().find(|why| why.contains(&format!("`{}`", &id[name.len() + 1..]))).or(family.unusable.first());
        let why = match why {
            Some(why) => why.clone(),
            None => nearest(id, family.tenants.iter().map(String::as_str)),
        };
        return Failure::new(Exit::Usage, format!("the family `{name}` has no tenant `{}`: {why}", shown(id)));
    }
    let known = workspace.sources.keys().map(String::as_str);
    Failure::new(Exit::Usage, format!("unknown source `{}`; {}", shown(id), nearest(id, known)))
}

/// The instant that stands for a day: noon in the policy's zone.
#[must_use]
pub fn noon(day: NaiveDate, rules: &SourceRules) -> DateTime<Utc> {
    let zone = rules.zone();
    let noon = day.and_hms_opt(12, 0, 0).unwrap_or_default();
    zone.from_local_datetime(&noon).earliest().map_or_else(|| Utc.from_utc_datetime(&noon), |t| t.with_timezone(&Utc))
}
