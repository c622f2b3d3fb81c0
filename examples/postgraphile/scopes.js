// The scopes that a GraphQL request needs, which the database requires of its token. Without one, the whole request is
// rejected. Policies check the same for rows, but they alone would give an empty answer.

import { GraphQLError, TypeInfo, parse, visit, visitWithTypeInfo } from "graphql";
import { Answer } from "./http.js";

const SCOPES = {
  Query: {
    __typename: [],
    __schema: [],
    __type: [],
    allDevices: ["dcim.view_device"],
    deviceById: ["dcim.view_device"],
  },
  Mutation: {
    __typename: [],
    updateDeviceById: ["dcim.view_device", "dcim.change_device"],
  },
};

// A field that is not in the table requires everything, so that a table created tomorrow is not open to every token.
const ANYTHING_ELSE = ["*"];

export function scopesOf(schema, query) {
  const types = new TypeInfo(schema);
  const scopes = new Set();
  const collect = {
    // Visits every field, in operations and in fragments.
    Field() {
      const parent = types.getParentType();
      const field = types.getFieldDef();
      if (parent && field && [schema.getQueryType(), schema.getMutationType()].includes(parent)) {
        for (const scope of SCOPES[parent.name]?.[field.name] ?? ANYTHING_ELSE) scopes.add(scope);
      }
    },
  };
  visit(parsed(query), visitWithTypeInfo(types, collect));
  return [...scopes];
}

function parsed(query) {
  try {
    return parse(query);
  } catch (error) {
    throw error instanceof GraphQLError ? new Answer(400, { error: "invalid_request", message: error.message }) : error;
  }
}
