package import CloudEvents

/// A REST API made of web actions: a Swagger document whose operations name them.
package struct WhiskAPI: Sendable, Hashable {
    package var namespace: String
    /// Begins with a slash; one API of a namespace each.
    package var basePath: String
    /// Swagger 2.0, as clients know it.
    package var document: JSONObject
    package var updated: Int64
    package var generation: Int64

    package init(
        namespace: String, basePath: String, document: JSONObject, updated: Int64 = 0, generation: Int64 = 0
    ) {
        self.namespace = namespace
        self.basePath = basePath
        self.document = document
        self.updated = updated
        self.generation = generation
    }

    package var title: String { document["info"]?["title"]?.string ?? basePath }
}
