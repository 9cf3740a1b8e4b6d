// SPDX-License-Identifier: Apache-2.0
//! Takes all that the SPIFFE Workload API gives by the crate `spiffe` as it is, and says what came, line by line.

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures_util::StreamExt;
use spiffe::{WorkloadApiClient, X509Context};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = token().await {
        println!("jwt-error {error:?}");
    }
    loop {
        if let Err(error) = watch().await {
            println!("watch-error {error:?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn token() -> Result<(), Box<dyn Error>> {
    let client = WorkloadApiClient::connect_env().await?;
    let svid = client.fetch_jwt_svid(["server"], None).await?;
    let validated = client.validate_jwt_token("server", svid.token()).await?;
    let bundles = client.fetch_jwt_bundles().await?;
    let keys: usize = bundles.iter().map(|(_, bundle)| bundle.jwt_authorities().count()).sum();
    println!("jwt id={} validated={} keys={keys}", svid.spiffe_id(), validated.spiffe_id());
    client.fetch_jwt_svid(["somebody-else"], None).await?;
    println!("other-audience granted");
    Ok(())
}

async fn watch() -> Result<(), Box<dyn Error>> {
    let client = WorkloadApiClient::connect_env().await?;
    let mut contexts = client.stream_x509_contexts().await?;
    while let Some(context) = contexts.next().await {
        say(&context?);
    }
    Ok(())
}

fn say(context: &X509Context) {
    let Some(svid) = context.default_svid() else { return };
    let mut hasher = DefaultHasher::new();
    svid.leaf().as_bytes().hash(&mut hasher);
    let anchors: usize = context.bundle_set().iter().map(|(_, bundle)| bundle.authorities().len()).sum();
    println!("svid id={} certificate={:x} anchors={anchors}", svid.spiffe_id(), hasher.finish());
}
