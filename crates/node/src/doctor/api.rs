//! What is read of the engine's API (1.41 and later): the fields that count. Any may be missing or
//! null, as engines have it.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};

/// `null` as if it were not there.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! read {
    ($($(#[$doc:meta])* $name:ident { $($field:ident $key:literal: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        pub(super) struct $name {
            $(#[serde(rename = $key, deserialize_with = "or_default")]
            pub(super) $field: $type,)*
        }
    )*};
}

read! {
    /// `GET /info`
    Info { swarm "Swarm": SwarmInfo, }
    SwarmInfo { manages "ControlAvailable": bool, node "NodeID": String, }
    /// `GET /plugins`
    Plugin { name "Name": String, enabled "Enabled": bool, }
    /// `GET /nodes`, and one of them
    Node {
        id "ID": String,
        description "Description": NodeDescription,
        manager "ManagerStatus": ManagerStatus,
    }
    NodeDescription { host_name "Hostname": String, }
    ManagerStatus { leads "Leader": bool, }
    /// `GET /networks`, and one of them
    Network {
        id "Id": String,
        name "Name": String,
        scope "Scope": String,
        ipam "IPAM": Ipam,
        containers "Containers": HashMap<String, Endpoint>,
    }
    Ipam {
        driver "Driver": String,
        options "Options": HashMap<String, String>,
        config "Config": Vec<IpamConfig>,
    }
    IpamConfig {
        subnet "Subnet": String,
        gateway "Gateway": String,
        auxiliary "AuxiliaryAddresses": HashMap<String, String>,
    }
    Endpoint { name "Name": String, v4 "IPv4Address": String, v6 "IPv6Address": String, }
    /// `GET /services`
    Service { spec "Spec": ServiceSpec, endpoint "Endpoint": ServiceEndpoint, }
    ServiceSpec { name "Name": String, }
    ServiceEndpoint { addresses "VirtualIPs": Vec<VirtualIp>, }
    VirtualIp { network "NetworkID": String, address "Addr": String, }
    /// `GET /tasks`
    Task {
        id "ID": String,
        spec "Spec": TaskSpec,
        status "Status": TaskStatus,
        attachments "NetworksAttachments": Vec<Attachment>,
    }
    TaskSpec { runtime "Runtime": String, networks "Networks": Vec<Target>, }
    Target { network "Target": String, }
    TaskStatus { state "State": String, }
    Attachment { network "Network": Reference, addresses "Addresses": Vec<String>, }
    Reference { id "ID": String, }
}
