#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libvtask_client from C and from Python, inside and outside of a run.

The C program is linked with the static library and with the shared one; the
endpoint is vt_tool_server's, which stands for the daemon.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

OPTIONS = None


class ClientLibraryTest(unittest.TestCase):
    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="vt-client-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def environment(self, more):
        env = {b"PATH": os.environb[b"PATH"],
               b"LD_LIBRARY_PATH": os.fsencode(os.path.dirname(OPTIONS.library)),
               b"VTASK_CLIENT_LIBRARY": os.fsencode(OPTIONS.library),
               b"PYTHONPATH": os.fsencode(
                   os.path.join(OPTIONS.root, "client/python")),
               b"PYTHONDONTWRITEBYTECODE": b"1"}
        for key, value in (more or {}).items():
            env[os.fsencode(key)] = os.fsencode(value)
        return env

    def run_free(self, *command, env=None):
        process = subprocess.run(
            command, env=self.environment(env), cwd=self.dir, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.assertEqual((process.returncode, process.stderr), (0, b""))
        return process.stdout.decode()

    def run_inside(self, *command, env=None):
        reports = os.path.join(self.dir, "reports.json")
        shown = self.run_free(OPTIONS.server, os.path.join(self.dir, "ipc"),
                              "/addon", reports, "10000", *command, env=env)
        with open(reports, encoding="ascii") as file:
            told = json.load(file)
        self.assertEqual(told["protocol_error"], "")
        return shown, told

    def env_reports(self, told):
        return sorted((r["kind"], r["text"], r["tracked"])
                      for r in told["env"])

    def test_library_needs_libc_alone(self):
        text = subprocess.run(["readelf", "-dW", OPTIONS.library], check=True,
                              stdout=subprocess.PIPE).stdout.decode()
        self.assertEqual(re.findall(r"NEEDED.*\[(.*)\]", text), ["libc.so.6"])
        self.assertIn("[libvtask_client.so.1]", text)
        symbols = subprocess.run(
            ["nm", "-D", "--defined-only", OPTIONS.library], check=True,
            stdout=subprocess.PIPE).stdout.decode()
        names = {line.split()[-1].split("@")[0]
                 for line in symbols.splitlines()}
        declared = set(re.findall(r"\b(vtask_client_\w+)\(", self.header()))
        self.assertEqual(names - {"VTASK_CLIENT_1"}, declared)

    def header(self):
        with open(os.path.join(OPTIONS.root, "client/tool/vtask/client.h"),
                  encoding="utf-8") as file:
            return file.read()

    def test_header_is_c(self):
        source = os.path.join(self.dir, "t.c")
        with open(source, "w", encoding="ascii") as file:
            file.write("#include <vtask/client.h>\n")
        for compiler, language in (("cc", "c"), ("c++", "c++")):
            subprocess.run(
                [compiler, "-x", language, "-Wall", "-Wextra", "-Werror",
                 "-pedantic", *(["-std=c99"] if language == "c" else []),
                 "-I", os.path.join(OPTIONS.root, "client/tool"),
                 "-fsyntax-only", source], check=True)

    def test_reports_arrive(self):
        for program in (OPTIONS.program, OPTIONS.static_program):
            shown, told = self.run_inside(
                program, "open", "state", "", "ignore-input", "/a/./b",
                "ignore-output", "rel", "track-input", "/i", "track-output",
                "/o", "track-value", "v1", "disable-cache", "because",
                "ignore-input", "", "sync", "", "state", "")
            self.assertEqual(shown.splitlines(), [
                "1 []", "0", "0", "0", "0", "0", "0", "-1", "0", "1 []"])
            self.assertEqual(told["ignored_inputs"], ["/a/./b"])
            self.assertEqual(told["ignored_outputs"], [self.dir + "/rel"])
            self.assertEqual(told["tracked_inputs"], ["/i"])
            self.assertEqual(told["tracked_outputs"], ["/o"])
            self.assertEqual(told["values"], [{"key": "key", "value": "v1"}])
            self.assertEqual(told["opt_outs"][0]["reason"], "because")
            self.assertEqual(told["opt_outs"][0]["origin"]["client"],
                             "libvtask_client/1")

    def test_variables_come_from_the_run(self):
        env = {"SHOWN": "yes", "EMPTY": "", "V_A": "1", "V_B": "2",
               "ODD": b"\xff"}
        shown, told = self.run_inside(
            OPTIONS.program, "open", "get-env", "SHOWN", "get-env", "EMPTY",
            "get-env", "NONE", "get-envs", "V_{A,Z}", "get-prefix", "V_",
            "get-envs", "*", "get-envs", "[", "get-prefix", "", env=env)
        self.assertEqual(shown.splitlines(), [
            "0 yes 3", "0  0", "0 (none) 0", "0 V_A=1", "0 V_A=1 V_B=2", "0",
            "-1", "0"])
        self.assertEqual(self.env_reports(told), [
            ("glob", "V_{A,Z}", True), ("name", "EMPTY", True),
            ("name", "NONE", True), ("name", "SHOWN", True),
            ("prefix", "V_", True)])

    def test_outside_of_a_run_reports_do_nothing(self):
        env = {"SHOWN": "yes", "V_A": "1", "V_B": "2", "W{": "3"}
        for first in ("open", "null"):
            shown = self.run_free(
                OPTIONS.program, first, "state", "", "ignore-input", "/a",
                "sync", "", "disable-cache", "x", "get-env", "SHOWN",
                "get-env", "NONE", "get-envs", "V_{A,Z}", "get-envs",
                "{V_[!A],W\\{}", "get-prefix", "V_", "get-envs", "*", env=env)
            self.assertEqual(shown.splitlines(), [
                "0 []", "0", "0", "0", "0 yes 3", "0 (none) 0", "0 V_A=1",
                "0 V_B=2 W{=3", "0 V_A=1 V_B=2", "0"])

    def test_endpoint_that_is_not_there(self):
        shown = self.run_free(
            OPTIONS.program, "open", "ignore-input", "/a", "state", "",
            "get-env", "SHOWN", env={"VT_IPC": self.dir + "/none",
                                     "SHOWN": "yes"})
        self.assertEqual(shown.splitlines(), [
            "-2", "0 [No such file or directory (os error 2)]",
            "-2 (none) 0"])

    def test_threads_share_a_client(self):
        shown, told = self.run_inside(OPTIONS.program, "open", "threads", "",
                                      env={"SHOWN": "yes"})
        self.assertEqual(shown, "done\n")
        self.assertEqual(sorted(told["ignored_outputs"]),
                         sorted(f"/storm/{i}" for i in range(250)))

    def test_child_of_a_fork_has_its_own_connection(self):
        shown, told = self.run_inside(
            OPTIONS.program, "open", "ignore-input", "/parent", "fork",
            "/child", "get-envs", "SH*", "ignore-input", "/after",
            env={"SHOWN": "yes"})
        self.assertEqual(shown.splitlines(),
                         ["0", "0", "0", "0 SHOWN=yes", "0 SHOWN=yes", "0"])
        self.assertEqual(sorted(told["ignored_inputs"]),
                         ["/after", "/child", "/parent"])

    def test_relative_path_in_a_removed_directory_is_invalid(self):
        gone = os.path.join(self.dir, "gone")
        os.mkdir(gone)
        shown, told = self.run_inside(
            "sh", "-c", 'cd gone && rmdir ../gone && exec "$0" "$@"',
            OPTIONS.program, "open", "ignore-input", "x", "ignore-input", "/x")
        self.assertEqual(shown.splitlines(), ["-1", "0"])
        self.assertEqual(told["ignored_inputs"], ["/x"])

    def python(self, script, inside, env=None):
        command = [sys.executable, "-c",
                   "import vtask_client\nc = vtask_client.Client()\n" + script]
        if inside:
            return self.run_inside(*command, env=env)
        return self.run_free(*command, env=env), None

    ASK = ("print(c.is_active, c.get_env('SHOWN'), c.get_env('NONE'),"
           " c.get_envs('V_*'), c.get_envs(prefix='V_'), c.get_envs('*'),"
           " ascii(c.get_env('ODD')), c.error)\n")

    def test_python_inside_a_run(self):
        env = {"SHOWN": "yes", "V_A": "1", "ODD": b"\xff"}
        shown, told = self.python(
            self.ASK +
            "c.ignore_input('/i'); c.ignore_output(b'/o\\xff')\n"
            "c.track_input('/ti'); c.track_output('/to')\n"
            "c.track_value('k', b'\\0v'); c.disable_cache('why'); c.sync()\n"
            "try: c.get_envs('[')\n"
            "except vtask_client.Error as e: print(e)\n"
            "c.close(); c.ignore_input('/late')\n", inside=True, env=env)
        self.assertEqual(shown.splitlines(), [
            "True yes None {'V_A': '1'} {'V_A': '1'} {} '\\udcff' ",
            "get_envs: invalid argument (b'[',)"])
        self.assertEqual(told["ignored_inputs"], ["/i"])
        self.assertEqual(told["ignored_outputs"], ["/o\xff"])
        self.assertEqual(told["tracked_inputs"], ["/ti"])
        self.assertEqual(told["tracked_outputs"], ["/to"])
        self.assertEqual(told["values"], [{"key": "k", "value": "\0v"}])
        self.assertEqual(told["opt_outs"][0]["reason"], "why")

    def test_python_outside_of_a_run(self):
        env = {"SHOWN": "yes", "V_A": "1", "ODD": b"\xff"}
        expected = "False yes None {'V_A': '1'} {'V_A': '1'} {} '\\udcff' \n"
        self.assertEqual(self.python(self.ASK, inside=False, env=env)[0],
                         expected)
        env["VTASK_CLIENT_LIBRARY"] = "/nowhere.so"
        self.assertEqual(self.python(self.ASK, inside=False, env=env)[0],
                         expected)

    def test_python_without_the_library_says_so_in_a_run(self):
        shown, _ = self.run_inside(
            sys.executable, "-c",
            "import vtask_client\ntry: vtask_client.Client()\n"
            "except vtask_client.LibraryNotFound as e: print(e)\n",
            env={"VTASK_CLIENT_LIBRARY": "/nowhere.so"})
        self.assertIn("set VTASK_CLIENT_LIBRARY", shown)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser()
    for name in ("root", "library", "program", "static-program", "server"):
        parser.add_argument("--" + name, required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
