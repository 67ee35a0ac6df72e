#pragma once
// The headers of ICU, which libxml2's include, conflict with those of Foundation. Only the layout of
// xmlCharEncodingHandler depends on them, which is not accessed.
#include <libxml/xmlversion.h>
#undef LIBXML_ICU_ENABLED
#include <libxml/HTMLparser.h>
#include <libxml/xmlreader.h>
#include <libxml/SAX2.h>
