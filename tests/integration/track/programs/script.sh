# SPDX-License-Identifier: Apache-2.0
# Pipes, subshells, globs, substitutions, an empty environment.
echo one > one; echo two > two
cat one two | tr a-z A-Z | sort > sorted
(mkdir -p sub/deep && cd sub/deep && echo x > ../x && cat ../x ../../one > /dev/null)
for f in *; do [ -e "$f" ] && : ; done
value=$(cat one); printf '%s\n' "$value" > from-value
echo 'included=yes' > lib.sh; . ./lib.sh
find . -name 'x' | xargs cat > /dev/null
env -i /bin/sh -c 'cat two; ls sub; test -f missing-one' || true
mv one uno; ln -s two dos; cat dos > /dev/null; rm -f uno never-there
while read -r line; do echo "$line"; done < sorted > copied
no_such_program_at_all 2> /dev/null || true
