import CloudEvents
import TestSupport
import Testing

@testable import Functions

struct VendoredPackagesTests {
    @Test func foldersOfInstalledPackagesAreFound() {
        #expect(
            VendoredPackages.python([
                "main.py", "virtualenv/lib/python3.11/site-packages/a/__init__.py", "vendor/b.py",
                "site-packages/c.py", "lib/site-packages/d.py", "docs/site-packages/e.py", "vendored",
            ]) == ["lib/site-packages", "site-packages", "vendor", "virtualenv/lib/python3.11/site-packages"])
        #expect(VendoredPackages.python(["vendor", "site-packages.py"]) == [])
    }

    @Test func requirementsAreAFileOrAList() throws {
        func read(_ value: JSONValue, runtime: String = "python") -> String {
            do {
                let spec = try FunctionSpec(["file": "a.zip", "runtime": .string(runtime), "requirements": value])
                return spec.document["requirements"]?.text ?? "none"
            } catch {
                return "\(error)"
            }
        }
        #expect(read("requirements.txt") == "\"requirements.txt\"")
        #expect(read(["numpy==2.1.0", "scipy"]) == "[\"numpy==2.1.0\",\"scipy\"]")
        #expect(read("package.json", runtime: "nodejs") == "\"package.json\"")
        #expect(read("../x") == "requirements: a file of the code was expected: requirements.txt")
        #expect(read(["--index-url x"]) == "requirements[0]: a package was expected, such as numpy==2.1.0")
        #expect(read([]) == "requirements: 1 to 256 packages are allowed")
        #expect(read(7) == "requirements: a file of the code or a list of packages was expected, not an integer")
        #expect(
            read("x", runtime: "executable")
                == "requirements: packages are installed for python and nodejs only, not for executable")
        #expect(
            read("requirements.txt", runtime: "nodejs")
                == "requirements: for nodejs this names the package.json of the code, or lists packages")
    }

    @Test func severalEventsAtATimeAreForRuntimesThatCan() throws {
        func message(_ document: JSONObject) -> String {
            do {
                let spec = try FunctionSpec(.object(document))
                return spec.document["concurrentEvents"]?.text ?? "1"
            } catch {
                return "\(error)"
            }
        }
        #expect(message(["file": "a.py", "concurrentEvents": 8]) == "8")
        #expect(message(["file": "a.py"]) == "1")
        #expect(message(["file": "a.py", "concurrentEvents": 0]).hasPrefix("concurrentEvents: "))
        #expect(
            message(["file": "a", "runtime": "executable", "concurrentEvents": 2])
                == "concurrentEvents: only functions in python and nodejs take several events at a time in one worker")
        #expect(
            message(["file": "a.py", "input": "file", "concurrentEvents": 2])
                == "concurrentEvents: a function with files, outputs, mounts or a network takes one event at a time in a worker"
        )
    }
}
