//! A certificate as pages for people: tagged PDF/A-3, in which the certificate itself lies as an attachment.
//!
//! The pages say what the certificate says, in words. What counts is the attachment, which `journal verify` reads out of the file.

use std::num::NonZeroU16;

use chrono::{Datelike as _, Timelike as _};
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::geom::Point;
use krilla::metadata::{DateTime, Metadata};
use krilla::page::PageSettings;
use krilla::tagging::{ContentTag, SpanTag, Tag, TagGroup, TagTree};
use krilla::text::{Font, TextDirection};
use krilla::{Document, SerializeSettings};

use super::certificate::text;
use super::exit::{Exit, Failure};
use super::words::pick;
use crate::config::Lang;
use crate::journal::{Certificate, Instant};

const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans.ttf");
/// A4, and its margins, in points.
const PAGE: (f32, f32) = (595.28, 841.89);
const MARGIN: f32 = 56.0;

/// A piece of text.
struct Block {
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Title,
    Heading,
    Text,
}

impl Kind {
    /// The size of letters, the distance of lines, the space above; in points.
    fn sizes(self) -> (f32, f32, f32) {
        match self {
            Self::Title => (18.0, 24.0, 0.0),
            Self::Heading => (12.0, 17.0, 14.0),
            Self::Text => (9.5, 14.0, 5.0),
        }
    }
}

/// The file.
///
/// # Errors
/// [`Exit::Failed`] when the pages cannot be made.
pub fn pdf(certificate: &Certificate, lang: Lang) -> Result<Vec<u8>, Failure> {
    let failed = || Failure::new(Exit::Failed, "the pages of the certificate cannot be made");
    let settings = SerializeSettings {
        configuration: ConfigurationBuilder::new().with_archival_validator(Archival::A3_A).finish().map_err(|_| failed())?,
        enable_tagging: true,
        ..SerializeSettings::default()
    };
    let font = Font::new(FONT.into(), 0).ok_or_else(failed)?;
    let face = ttf_parser::Face::parse(FONT, 0).map_err(|_| failed())?;
    let blocks = blocks(certificate, lang);
    let (claims, written) = (&certificate.claims, stamp(&certificate.claims.looked_at));
    let mut document = Document::new_with(settings);
    let mut groups: Vec<TagGroup> = blocks.iter().map(group).collect();
    let mut lines = laid_out(&blocks, &face).into_iter().peekable();
    while lines.peek().is_some() {
        let size = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(failed)?;
        let mut page = document.start_page_with(size);
        let mut surface = page.surface();
        let mut y = MARGIN;
        while let Some(line) = lines.next_if(|line| y == MARGIN || y + line.above + line.height <= PAGE.1 - MARGIN) {
            y += if y == MARGIN { line.height } else { line.above + line.height };
            let at = surface.start_tagged(ContentTag::Span(SpanTag::empty()));
            surface.draw_text(Point::from_xy(MARGIN, y), font.clone(), line.size, &line.text, false, TextDirection::LeftToRight);
            surface.end_tagged();
            groups[line.block].push(at);
        }
        surface.finish();
        page.finish();
    }
    let language = pick(lang, "fr", "en");
    let mut tree = TagTree::new().with_lang(Some(language.to_owned()));
    groups.into_iter().for_each(|group| tree.push(group));
    document.set_tag_tree(tree);
    document.set_metadata(
        Metadata::new()
            .title(format!("{}, {}", title(lang), claims.source))
            .language(language.to_owned())
            .creator("retentiond".to_owned())
            .creation_date(written)
            .document_id(claims.hash().to_string()),
    );
    let attachment = EmbeddedFile {
        path: "certificate.json".to_owned(),
        mime_type: MimeType::new("application/json"),
        description: Some(pick(lang, "Le certificat, avec ses preuves", "The certificate, with its proofs").to_owned()),
        association_kind: AssociationKind::Source,
        data: certificate.to_bytes().into(),
        modification_date: Some(written),
        // As it is: whoever verifies it needs no reader of PDF.
        compress: Some(false),
        location: None,
    };
    document.embed_file(attachment).ok_or_else(failed)?;
    document.finish().map_err(|_| failed())
}

fn title(lang: Lang) -> &'static str {
    pick(lang, "Certificat d'effacement", "Certificate of erasure")
}

fn blocks(certificate: &Certificate, lang: Lang) -> Vec<Block> {
    let block = |kind, text: &str| Block { kind, text: text.to_owned() };
    let claims = &certificate.claims;
    let said = text(certificate, lang);
    let mut blocks = vec![block(Kind::Title, title(lang)), block(Kind::Heading, claims.source.as_str())];
    blocks.extend(said.lines().map(|line| block(Kind::Text, line.trim_start())));
    blocks.push(block(Kind::Heading, pick(lang, "Vérifier ce certificat", "How to check this certificate")));
    blocks.push(block(
        Kind::Text,
        pick(
            lang,
            "Le certificat lui-même est joint à ce fichier (certificate.json), avec les écritures du journal et leurs preuves. C'est lui qui fait foi, non ces pages\u{a0}: la commande suivante, hors ligne, le lit \
             dans ce fichier et dit ce qu'il contient. La clef publique est celle que l'organisme a remise par une autre voie.",
            "The certificate itself is attached to this file (certificate.json), with the entries of the journal and their proofs. It is what counts, not these pages: the following command, offline, reads it out of \
             this file and tells what it says. The public key is the one that the organisation handed over by another way.",
        ),
    ));
    blocks.push(block(
        Kind::Text,
        pick(
            lang,
            "retentiond journal verify --certificate FICHIER.pdf --key CLEF_PUBLIQUE",
            "retentiond journal verify --certificate FILE.pdf --key PUBLIC_KEY",
        ),
    ));
    let (hash, colon) = (claims.hash(), super::words::colon(lang));
    blocks.push(block(Kind::Text, &format!("{}{colon} {hash}", pick(lang, "Empreinte des déclarations", "Hash of the claims"))));
    blocks
}

fn group(block: &Block) -> TagGroup {
    let level = |n| NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN);
    match block.kind {
        Kind::Title => TagGroup::new(Tag::Hn(level(1), Some(block.text.clone()))),
        Kind::Heading => TagGroup::new(Tag::Hn(level(2), Some(block.text.clone()))),
        Kind::Text => TagGroup::new(Tag::P),
    }
}

/// A line on a page.
struct Line {
    block: usize,
    text: String,
    size: f32,
    height: f32,
    above: f32,
}

/// The blocks in lines that fit between the margins.
fn laid_out(blocks: &[Block], face: &ttf_parser::Face<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (n, block) in blocks.iter().enumerate() {
        let (size, height, above) = block.kind.sizes();
        let scale = size / f32::from(face.units_per_em());
        let broken = broken(&block.text, (PAGE.0 - 2.0 * MARGIN) / scale, &|c| {
            face.glyph_index(c).and_then(|glyph| face.glyph_hor_advance(glyph)).map_or(0.0, f32::from)
        });
        for (at, text) in broken.into_iter().enumerate() {
            lines.push(Line { block: n, text, size, height, above: if at == 0 { above } else { 0.0 } });
        }
    }
    lines
}

/// A text in lines no wider than `most`, broken at blanks, which stay at the ends of lines, and within words that are wider than a line.
fn broken(text: &str, most: f32, width: &dyn Fn(char) -> f32) -> Vec<String> {
    let of = |text: &str| text.chars().map(width).sum::<f32>();
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_inclusive(' ') {
        if !line.is_empty() && of(&line) + of(word.trim_end()) > most {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            if !line.is_empty() && c != ' ' && of(&line) + width(c) > most {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

fn stamp(at: &Instant) -> DateTime {
    let at = at.utc();
    let part = |n: u32| u8::try_from(n).unwrap_or_default();
    DateTime::new(u16::try_from(at.year()).unwrap_or_default())
        .month(part(at.month()))
        .day(part(at.day()))
        .hour(part(at.hour()))
        .minute(part(at.minute()))
        .second(part(at.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_long_words_anywhere() {
        let broken = |text: &str| broken(text, 10.0, &|_| 1.0);
        assert_eq!(broken("one two three"), ["one two ", "three"]);
        assert_eq!(broken("abcdefghijklm"), ["abcdefghij", "klm"]);
        assert_eq!(broken("exactlyten x"), ["exactlyten ", "x"]);
        assert_eq!(broken("ab abcdefghijklm"), ["ab ", "abcdefghij", "klm"]);
        assert_eq!(broken(""), [""]);
    }
}
