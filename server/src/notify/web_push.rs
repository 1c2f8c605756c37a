//! Web Push: a browser's push service gets what only that browser can read (RFC 8030, 8188, 8291), from a server that it
//! knows by its key (RFC 8292).

use aes_gcm::aead::Aead as _;
use aes_gcm::{Aes128Gcm, KeyInit as _, Nonce};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use p256::pkcs8::EncodePrivateKey as _;
use p256::{PublicKey, SecretKey};
use reqwest::{Url, header};
use serde_json::json;
use sha2::Sha256;

use super::notifier::{Failure, Notifier, Outgoing, Priority};
use super::outbound::{Outbound, send};
use crate::store::Browser;

/// The push service keeps it so many seconds for a browser that is off.
const TTL: u64 = 24 * 3_600;
/// A token of RFC 8292 may be good for a day at most.
const TOKEN_TTL: u64 = 12 * 3_600;
/// Of RFC 8188: everything fits into one record.
const RECORD: u32 = 4_096;
/// The longest plaintext that fits, with its delimiter and tag (RFC 8291, section 4).
const MAX_PLAINTEXT: usize = 3_993;

/// What `PushSubscription` tells is such: a point of P-256, and 16 bytes.
pub(crate) fn check_keys(p256dh: &[u8], auth: &[u8]) -> Result<(), &'static str> {
    if PublicKey::from_sec1_bytes(p256dh).is_err() || auth.len() != 16 {
        return Err("keys must be those of a PushSubscription");
    }
    Ok(())
}

/// The key by which push services know this server.
pub(crate) struct Vapid {
    signing: EncodingKey,
    /// Base64url, uncompressed.
    public: String,
    /// Where the operator is reached; push services want https.
    subject: Option<String>,
}

/// The bytes are no key.
#[derive(Debug, thiserror::Error)]
#[error(
    "push.key is not a key of this server: restore it from a backup, or remove it to have a new one made"
)]
pub struct NoKey;

impl Vapid {
    pub(crate) fn new(seed: &[u8; 32], public_url: &str) -> Result<Self, NoKey> {
        let secret = SecretKey::from_slice(seed).map_err(|_| NoKey)?;
        let signing = secret.to_pkcs8_der().map_err(|_| NoKey)?;
        Ok(Self {
            public: URL_SAFE_NO_PAD.encode(point(&secret.public_key())),
            signing: EncodingKey::from_ec_der(signing.as_bytes()),
            subject: public_url.starts_with("https://").then(|| public_url.to_owned()),
        })
    }

    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// The header of a request to this endpoint.
    fn authorization(&self, endpoint: &Url, now: u64) -> Result<String, Failure> {
        let mut claims = json!({
            "aud": endpoint.origin().ascii_serialization(),
            "exp": now + TOKEN_TTL,
        });
        if let Some(subject) = &self.subject {
            claims["sub"] = json!(subject);
        }
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.signing);
        let token = token.map_err(|_| Failure::never("the request could not be signed"))?;
        Ok(format!("vapid t={token}, k={}", self.public))
    }
}

/// A browser's subscription.
pub(super) struct WebPush<'a> {
    pub(super) http: &'a Outbound,
    pub(super) vapid: &'a Vapid,
    pub(super) browser: &'a Browser,
    pub(super) endpoint: Url,
    pub(super) trusted: bool,
    /// Unix seconds.
    pub(super) now: u64,
}

#[async_trait]
impl Notifier for WebPush<'_> {
    async fn notify(&self, notice: &Outgoing<'_>) -> Result<(), Failure> {
        let text = json!({
            "title": notice.title,
            "body": notice.message,
            "url": notice.click,
            "tag": notice.tag,
        });
        let body = seal(text.to_string().as_bytes(), self.browser)?;
        let urgency = match notice.priority {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
        };
        let authorization = self.vapid.authorization(&self.endpoint, self.now)?;
        let request = self.http.post(self.endpoint.clone(), self.trusted)?;
        let request = request
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_ENCODING, "aes128gcm")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header("TTL", TTL)
            .header("Urgency", urgency)
            .header("Topic", &notice.tag)
            .body(body);
        send(request).await
    }
}

fn seal(text: &[u8], browser: &Browser) -> Result<Vec<u8>, Failure> {
    let sender = loop {
        // One draw in 2^32 is no key.
        if let Ok(secret) = SecretKey::from_slice(&rand::random::<[u8; 32]>()) {
            break secret;
        }
    };
    encrypt(text, &browser.p256dh, &browser.auth, &sender, rand::random())
        .ok_or_else(|| Failure::never("the keys of this browser's subscription are wrong"))
}

fn point(key: &PublicKey) -> Vec<u8> {
    key.to_encoded_point(false).as_bytes().to_vec()
}

/// RFC 8291, section 3.4, and RFC 8188 with a single record.
fn encrypt(text: &[u8], receiver: &[u8], auth: &[u8], sender: &SecretKey, salt: [u8; 16]) -> Option<Vec<u8>> {
    if text.len() > MAX_PLAINTEXT {
        return None;
    }
    let receiver = PublicKey::from_sec1_bytes(receiver).ok()?;
    let own = point(&sender.public_key());
    let shared = p256::ecdh::diffie_hellman(sender.to_nonzero_scalar(), receiver.as_affine());
    let info = [b"WebPush: info\0".as_slice(), &point(&receiver), &own].concat();
    let mut input = [0; 32];
    Hkdf::<Sha256>::new(Some(auth), shared.raw_secret_bytes())
        .expand(&info, &mut input)
        .ok()?;
    let keys = Hkdf::<Sha256>::new(Some(&salt), &input);
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    keys.expand(b"Content-Encoding: aes128gcm\0", &mut key).ok()?;
    keys.expand(b"Content-Encoding: nonce\0", &mut nonce).ok()?;
    // The delimiter of a last record, and no padding: all that a length tells is that of two names.
    let record = [text, &[2]].concat();
    let sealed = Aes128Gcm::new(&key.into())
        .encrypt(Nonce::from_slice(&nonce), record.as_slice())
        .ok()?;
    let own_length = [u8::try_from(own.len()).ok()?];
    Some([&salt[..], &RECORD.to_be_bytes(), &own_length, &own, &sealed].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8291_comes_out_byte_for_byte() {
        let sender = SecretKey::from_slice(&bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let receiver =
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        let sealed = encrypt(
            b"When I grow up, I want to be a watermelon",
            &bytes(receiver),
            &bytes("BTBZMqHH6r4Tts7J_aSIgg"),
            &sender,
            bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap(),
        );
        assert_eq!(
            URL_SAFE_NO_PAD.encode(sealed.unwrap()),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru\
             3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
        let too_long = vec![0; MAX_PLAINTEXT + 1];
        assert_eq!(
            encrypt(&too_long, &bytes(receiver), &[0; 16], &sender, [0; 16]),
            None
        );
    }

    #[test]
    fn only_a_point_of_the_curve_is_a_key() {
        let key = point(&SecretKey::from_slice(&[7; 32]).unwrap().public_key());
        assert_eq!(check_keys(&key, &[0; 16]), Ok(()));
        let mut off = key.clone();
        off[64] ^= 1;
        assert!(check_keys(&off, &[0; 16]).is_err());
        assert!(check_keys(&[], &[0; 16]).is_err());
        assert!(check_keys(&key, &[0; 15]).is_err());
    }
}
