//! The versions of an object, from a bucket's list of them.

use serde::Deserialize;

use super::service::Versions;

/// One page of a bucket's list of versions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// The versions of the object that was asked for.
    pub(super) versions: Versions,
    /// Where the next page begins, if there is one that may hold more of them: key and version.
    pub(super) next: Option<(String, String)>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "VersionId", default)]
    version: Option<String>,
}

#[derive(Deserialize)]
enum Item {
    Version(Entry),
    DeleteMarker(Entry),
    IsTruncated(String),
    NextKeyMarker(String),
    NextVersionIdMarker(String),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct List {
    #[serde(rename = "$value", default)]
    items: Vec<Item>,
}

impl Page {
    /// Reads an answer to `ListObjectVersions`, and keeps what concerns exactly this key.
    pub(super) fn read(xml: &str, key: &str) -> Option<Self> {
        let list: List = quick_xml::de::from_str(xml).ok()?;
        let (mut data, mut markers) = (Vec::new(), Vec::new());
        let (mut truncated, mut next_key, mut next_version) = (None, String::new(), String::new());
        for item in list.items {
            match item {
                Item::Version(entry) if entry.key == key => data.push(entry.version.unwrap_or_else(|| "null".to_owned())),
                Item::DeleteMarker(entry) if entry.key == key => markers.push(entry.version.unwrap_or_else(|| "null".to_owned())),
                Item::IsTruncated(text) => truncated = Some(text == "true"),
                Item::NextKeyMarker(text) => next_key = text,
                Item::NextVersionIdMarker(text) => next_version = text,
                _ => {}
            }
        }
        // Keys come in order: a page that ends with another key is the last that concerns this one.
        let next = (truncated? && next_key == key).then_some((next_key, next_version));
        Some(Self { versions: Versions { data, markers }, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a/x-1</Prefix><KeyMarker/><VersionIdMarker/>
<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>
<DeleteMarker><Key>a/x-1</Key><VersionId>m1</VersionId><IsLatest>true</IsLatest><Owner><ID>1</ID></Owner></DeleteMarker>
<Version><Key>a/x-1</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest><ETag>&quot;e&quot;</ETag><Size>3</Size></Version>
<DeleteMarker><Key>a/x-1</Key><VersionId>m0</VersionId></DeleteMarker>
<Version><Key>a/x-1</Key></Version>
<Version><Key>a/x-10</Key><VersionId>v9</VersionId></Version>
</ListVersionsResult>"#;

    #[test]
    fn the_versions_of_one_key_are_told_from_their_markers_and_no_other_key_is_among_them() {
        let page = Page::read(LIST, "a/x-1").unwrap();
        let all = |of: [&str; 2]| of.map(str::to_owned).to_vec();
        assert_eq!(page, Page { versions: Versions { data: all(["v2", "null"]), markers: all(["m1", "m0"]) }, next: None });
        assert_eq!(
            page.versions.to_remove().collect::<Vec<_>>(),
            ["null", "v2", "m0", "m1"],
            "the one in force is the last of its kind"
        );
    }

    #[test]
    fn a_list_goes_on_while_its_next_page_may_hold_more_of_the_key() {
        let more = LIST.replace(
            "<IsTruncated>false</IsTruncated>",
            "<IsTruncated>true</IsTruncated><NextKeyMarker>a/x-1</NextKeyMarker><NextVersionIdMarker>m0</NextVersionIdMarker>",
        );
        assert_eq!(Page::read(&more, "a/x-1").unwrap().next, Some(("a/x-1".to_owned(), "m0".to_owned())));
        assert_eq!(Page::read(&more, "a/x-10").unwrap().next, None);
    }

    #[test]
    fn what_is_no_list_of_versions_is_not_an_empty_one() {
        for text in ["", "<html></html>", "<Error><Code>NoSuchBucket</Code></Error>", "<ListVersionsResult>"] {
            assert_eq!(Page::read(text, "a"), None, "{text}");
        }
    }
}
