// SPDX-License-Identifier: Apache-2.0
#include "queryd/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct page_file *find(const char *path)
{
	return page_find(slice_text(path));
}

static void the_root_is_the_page(void **state)
{
	(void)state;
	assert_non_null(find("/"));
	assert_ptr_equal(find("/"), find("/v1/page/index.html"));
	assert_string_equal(page_type(find("/")), "text/html; charset=utf-8");
}

static void files_are_found_by_their_whole_name(void **state)
{
	static const char *const others[] = {
		"", "/v1/page", "/v1/page/", "/v1/page/main", "/v1/page/main.js/", "/v1/page//main.js",
		"/v1/page/../page/main.js", "/v1/page/MAIN.JS", "/main.js", "/v1/pag",
	};
	size_t i;

	(void)state;
	assert_string_equal(find("/v1/page/main.js")->name, "main.js");
	for (i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_null(find(others[i]));
}

static void each_kind_of_file_has_its_type(void **state)
{
	static const struct page_file other = { .name = "plain" };

	(void)state;
	assert_string_equal(page_type(find("/v1/page/main.js")), "text/javascript; charset=utf-8");
	assert_string_equal(page_type(find("/v1/page/base.css")), "text/css; charset=utf-8");
	assert_string_equal(page_type(find("/v1/page/icon.svg")), "image/svg+xml");
	assert_string_equal(page_type(&other), "application/octet-stream");
}

static bool holds(const struct page_file *file, const char *text)
{
	return memmem(file->bytes, file->size, text, strlen(text)) != NULL;
}

/* What the content security policy would refuse, and what would need a network. */
static void the_page_has_nothing_inline_and_nothing_from_elsewhere(void **state)
{
	static const char *const refused[] = {
		" style=", "<style", "<script>", "onclick", "javascript:", "http://", "https://", "//cdn",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		assert_false(holds(find("/"), refused[i]));
}

/* Every file that the page names is there: src and href of the HTML, imports of the modules. */
static void assert_named_files_exist(const struct page_file *in, const char *before,
				     const char *folder)
{
	const char *at = (const char *)in->bytes;
	const char *end = at + in->size;
	char path[128];

	while ((at = memmem(at, (size_t)(end - at), before, strlen(before))) != NULL) {
		const char *quote = memchr(at + strlen(before), '"', (size_t)(end - at));

		at += strlen(before);
		assert_non_null(quote);
		assert_in_range(quote - at, 1, 64);
		snprintf(path, sizeof(path), "%s%.*s", folder, (int)(quote - at), at);
		if (!find(path))
			fail_msg("%s names %s, which is not there", in->name, path);
	}
}

static void what_the_page_names_is_compiled_in(void **state)
{
	static const char *const modules[] = { "main", "api", "chart", "controls", "home", "ledger",
					       "live", "notice", "search", "series", "strip" };
	char path[64];
	size_t i;

	(void)state;
	assert_named_files_exist(find("/"), "href=\"/v1/", "/v1/");
	assert_named_files_exist(find("/"), "src=\"/v1/", "/v1/");
	for (i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
		snprintf(path, sizeof(path), "/v1/page/%s.js", modules[i]);
		assert_non_null(find(path));
		assert_named_files_exist(find(path), "from \"./", "/v1/page/");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_is_the_page),
		cmocka_unit_test(files_are_found_by_their_whole_name),
		cmocka_unit_test(each_kind_of_file_has_its_type),
		cmocka_unit_test(the_page_has_nothing_inline_and_nothing_from_elsewhere),
		cmocka_unit_test(what_the_page_names_is_compiled_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
