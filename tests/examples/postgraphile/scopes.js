// Which scopes a GraphQL operation takes, for the database to require of the token: the whole request is rejected, or none.
// Policies say the same of rows; there it would be an empty answer.

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

// What is not in the table takes everything: a table that is made tomorrow is nobody's today.
const ANYTHING_ELSE = ["*"];

export function scopesOf(schema, query) {
  const types = new TypeInfo(schema);
  const scopes = new Set();
  const collect = {
    // Wherever it is: in an operation, or in a fragment of one.
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
