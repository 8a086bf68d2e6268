//! Statements of two sources: records of one leave only once the other has their copy.

use retentiond::enforce::{CopyBase, run_documents};
use retentiond::policy::located::Faults;
use retentiond::policy::{link, read_map, read_policy};
use retentiond::source::{Source, Target};

use crate::enforcement::{Fixture, Rules};
use crate::stage::{Stage, shipped};

/// Map and policies of a source beside those of the one that has the copies.
pub fn rules(stage: &Stage, policy: &str, there: &Stage) -> Rules {
    let mut faults = Faults::default();
    let texts = [&stage.organisation, &there.organisation].map(|organisation| shipped(organisation, "map.toml"));
    let policies = [shipped(&stage.organisation, policy), shipped(&there.organisation, "policy.toml")];
    let maps = texts.each_ref().map(|text| read_map::read(text, 0, &mut faults).unwrap());
    let read = policies.each_ref().map(|text| read_policy::read(text, 1, &mut faults).unwrap());
    link::link(&maps, &read, &mut faults);
    assert!(faults.sorted().is_empty(), "{:#?}", faults.sorted());
    let mut named: Vec<(&str, &str)> = read.iter().zip(&policies).map(|(p, text)| (p.id.as_str(), text.as_str())).collect();
    let documents = run_documents(&texts[0], &mut named);
    let [map, _] = maps;
    Rules { map, policies: read.to_vec(), documents }
}

/// Lets the fixture look for copies there, by columns of which an index finds them.
pub async fn ask(fixture: &mut Fixture<'_>, rules: &Rules, there: &Stage) {
    for copy in rules.map.data_sets.iter().flat_map(|data| &data.copies) {
        let source = Source::connect(&Target::new(there.database.url.clone())).await.unwrap();
        let base = CopyBase::open(source, &there.map, &copy.of.data_set).await.unwrap().unwrap();
        assert!(base.unfit(copy).is_empty() && base.is_indexed(copy));
        fixture.copies.add(copy.of.value.clone(), Ok(base));
    }
}
