package import CloudEvents
package import Kafka
package import Manifest

/// How a Kafka cluster is reached, as a person specifies it: `brokers`, and `properties` by librdkafka's names.
package struct KafkaSpec: Sendable, Hashable {
    package enum Value: Sendable, Hashable {
        case text(String)
        case secret(SecretReference)
    }

    package struct Property: Sendable, Hashable {
        package var name: String
        package var value: Value

        package init(name: String, value: Value) {
            self.name = name
            self.value = value
        }
    }

    package var brokers: String
    package var properties: [Property]

    package init(brokers: String, properties: [Property] = []) {
        self.brokers = brokers
        self.properties = properties
    }

    /// Names whose values are secrets: they are not taken as text.
    private static let secrets: Set<String> = [
        "sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password", "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
    ]

    package init(_ reader: inout DocumentReader) throws(DocumentError) {
        brokers = try reader.requiredString("brokers")
        properties = []
        let place = reader.path(of: "properties")
        for member in try reader.freeObject("properties")?.members ?? [] {
            let path = "\(place).\(member.name)"
            if member.value.object != nil {
                var inner = try DocumentReader([member.name: member.value], path: place)
                if let secret = try inner.secret(member.name) {
                    properties.append(Property(name: member.name, value: .secret(secret)))
                }
                continue
            }
            let text =
                member.value.string ?? (member.value.array == nil && member.value != .null ? member.value.text : nil)
            guard let text else {
                throw DocumentError(path: path, message: "a text, a number or true or false was expected")
            }
            guard !Self.secrets.contains(member.name) else {
                throw DocumentError(
                    path: path,
                    message:
                        "a secret does not stand in a manifest: write { secret: NAME } and give the server the value")
            }
            properties.append(Property(name: member.name, value: .text(text)))
        }
        properties.sort { $0.name < $1.name }
        // What is refused is refused when it is written, not when it is used.
        do {
            _ = try KafkaSettings(
                bootstrap: brokers, properties: properties.map { KafkaProperty($0.name, "") })
        } catch {
            throw DocumentError(path: reader.path, message: error.message)
        }
    }

    package func write(into object: inout JSONObject) {
        object["brokers"] = .string(brokers)
        guard !properties.isEmpty else { return }
        object["properties"] = .object(
            JSONObject(
                members: properties.map { property in
                    switch property.value {
                    case .text(let text): .init(name: property.name, value: .string(text))
                    case .secret(let secret): .init(name: property.name, value: secret.document)
                    }
                }))
    }

    /// The settings with the secrets as they are now.
    package func settings(_ secrets: SecretStore, namespace: String) throws -> KafkaSettings {
        var values: [KafkaProperty] = []
        for property in properties {
            switch property.value {
            case .text(let text): values.append(KafkaProperty(property.name, text))
            case .secret(let secret):
                let bytes = try secrets.value(namespace, secret.name)
                values.append(KafkaProperty(property.name, String(decoding: bytes, as: UTF8.self)))
            }
        }
        return try KafkaSettings(bootstrap: brokers, properties: values)
    }
}
