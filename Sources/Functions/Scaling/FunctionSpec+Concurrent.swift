import Manifest

extension FunctionSpec {
    /// Several events at a time in one worker: only where the runtime can keep them apart.
    static func checkConcurrent(
        _ limits: FunctionVersion.Limits, _ runtime: FunctionVersion.Runtime, _ staging: FunctionStaging,
        _ network: NetworkRequest, _ reader: borrowing DocumentReader
    ) throws(DocumentError) {
        guard limits.scaling.concurrentEvents > 1 else { return }
        let path = reader.path(of: "concurrentEvents")
        guard runtime == .python || runtime == .nodejs else {
            throw DocumentError(
                path: path, message: "only functions in python and nodejs take several events at a time in one worker")
        }
        guard staging == FunctionStaging(), network == .none else {
            throw DocumentError(
                path: path,
                message: "a function with files, outputs, mounts or a network takes one event at a time in a worker")
        }
    }
}
